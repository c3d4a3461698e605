"""Somebody signs in where somebody else is signed in already, or has put their own session into the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.people import PASSPHRASE, closing, invited, joined
from tests.keyfob_admin.console.sessions import SESSION, is_in, linked
from tests.keyfob_admin.console.test_provider_pages import come_back, live, server

if TYPE_CHECKING:
    import httpx

    from tests.keyfob_admin.sign_in.hostile import HostileProvider

__all__ = ["closing", "live", "server"]  # fixtures of these tests
pytestmark = pytest.mark.both_engines


def enter(live: LiveConsole, server: HostileProvider, visitor: Visitor, way: str) -> httpx.Response:
    """Sign in, in one of the ways that work in a browser with a session."""
    if way == "admin link":
        path = linked(live.installation)
        return visitor.post(path, data=fields_of(visitor, path))
    _, path = invited(live, "cleo@example.com")
    if way == "provider":
        return come_back(server, visitor, f"{path}/oidc")
    return visitor.post(path, data={**fields_of(visitor, path), "passphrase": PASSPHRASE, "again": PASSPHRASE})


def fields_of(visitor: Visitor, path: str) -> dict[str, str]:
    """The hidden fields of the form for *path*, not those of the menus around it."""
    form = visitor.get(path).text.partition('<form method="post" class="card pad">')[2].partition("</form>")[0]
    return hidden(form)


@pytest.mark.parametrize("way", ["invitation", "provider", "admin link"])
def test_a_new_session_takes_the_place_of_somebody_elses(live: LiveConsole, server: HostileProvider, way: str) -> None:
    """The new token is a fresh one, and the session that was there has ended, also for whoever knows its token."""
    _, eve = joined(live, "eve@example.com")
    token = eve.cookies[SESSION]
    with Visitor(live.url) as visitor, Visitor(live.url, cookies={SESSION: token}) as other:
        visitor.cookies.set(SESSION, token, domain="127.0.0.1", path="/")
        assert enter(live, server, visitor, way).status_code in {200, 303}
        assert token != visitor.cookies[SESSION]
        assert "Signed in as eve" not in words(visitor.get("/keys").text)
        assert (True, False) == (is_in(visitor), is_in(other))
