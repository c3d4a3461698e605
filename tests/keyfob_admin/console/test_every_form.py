"""Every form of the console, those of later versions included, is this browser's own."""

from __future__ import annotations

import re

import pytest

from keyfob_admin.console.routes import CLOSED, OPEN
from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, hidden
from tests.keyfob_admin.console.people import closing, invited

__all__ = ["closing"]  # a fixture of these tests
pytestmark = pytest.mark.both_engines


def forms(live: LiveConsole) -> list[str]:
    """The path of each form, about a key, a person and a link that there are."""
    key, _ = live.make("untouched")
    person, link = invited(live, "ben@example.com")
    named = {"key": key.id, "person": person.id, "token": link.rpartition("/")[2]}
    paths = {path for method, path, _ in (*OPEN, *CLOSED) if method == "POST"}
    return sorted(re.sub(r"{(\w+)}", lambda found: named[found[1]], path) for path in paths)


def test_co_01_no_form_is_taken_from_another_site_or_without_its_token(visitor: Visitor, live: LiveConsole) -> None:
    """Of somebody who is signed in: each is 403, with the right token from elsewhere, and from here with none."""
    paths = forms(live)
    token = hidden(visitor.get("/keys").text)["csrf"]
    for path in paths:
        elsewhere = visitor.post(path, data={"csrf": token}, headers={"Sec-Fetch-Site": "cross-site"})
        wrong = visitor.post(path, data={"csrf": "0" * 64})
        none = visitor.post(path, data={"name": "changed"})
        assert [403, 403, 403] == [elsewhere.status_code, wrong.status_code, none.status_code], path

    assert len(paths) > 20
    assert "untouched" in visitor.get("/keys").text


def test_co_01_no_form_of_the_sign_in_is_taken_from_another_browser(live: LiveConsole) -> None:
    """Of nobody: those for everybody are 403 with another browser's token, the others want a sign-in."""
    paths = forms(live)
    free = {path.partition("{")[0] for method, path, _ in OPEN if method == "POST"}
    with Visitor(live.url) as eve, Visitor(live.url) as victim:
        theirs = hidden(eve.get("/login").text)["csrf"]
        victim.get("/login")
        for path in paths:
            answer = victim.post(path, data={"csrf": theirs})
            assert (403 if path.startswith(tuple(free)) else 401) == answer.status_code, path
