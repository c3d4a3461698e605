"""The configuration of nginx in front of the console, by the real program, with what clients forge.

In the place of oauth2-proxy stands what answers as it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.end_to_end.gateways.conftest import KINDS, Kind, gateway
from tests.keyfob_admin.api.conftest import serving
from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, words
from tests.keyfob_admin.console.proxied import CLEO, EMAIL, GROUPS, NAME, console_behind, people_of, press
from tests.keyfob_admin.console.sessions import is_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

NGINX = Kind("sign-in-nginx.conf", KINDS["nginx"].program, KINDS["nginx"].arguments)
PEOPLE = {
    "cleo": {"Email": "cleo@example.com", "Preferred-Username": "Cleo", "Groups": "staff,acme-dev"},
    "dora": {"Email": "dora@example.com", "Preferred-Username": "Dora", "Groups": ""},
}
FORGED = {
    EMAIL: "root@example.com",
    NAME: "Root",
    GROUPS: "acme-leads",
    EMAIL.replace("-", "_"): "root@example.com",
    GROUPS.replace("-", "_"): "acme-leads",
}


async def auth(request: Request) -> Response:
    """Answer as oauth2-proxy does with --set-xauthrequest."""
    person = PEOPLE.get(request.cookies.get("_oauth2_proxy", ""))
    if person is None:
        return Response(status_code=401)
    return Response(status_code=202, headers={f"X-Auth-Request-{name}": value for name, value in person.items()})


async def sign_in(_: Request) -> Response:
    return PlainTextResponse("Sign in at the proxy")


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[tuple[LiveConsole, str]]:
    """The console, and the address at which nginx stands in front of it."""
    proxy = Starlette(routes=[Route("/oauth2/auth", auth), Route("/oauth2/sign_in", sign_in)])
    with console_behind("127.0.0.1/32", tmp_path, "header") as live, serving(proxy) as asked:
        replaced = {"8700": live.url.rpartition(":")[2], "4180": asked.rpartition(":")[2]}
        with gateway(tmp_path, NGINX, replaced) as port:
            yield live, f"http://127.0.0.1:{port}"


def test_whom_the_proxy_has_signed_in_is_who_it_says(behind: tuple[LiveConsole, str]) -> None:
    """The proxy's names and groups count, and none of a client's own; somebody else in the browser ends the session."""
    live, url = behind
    with Visitor(url, headers=FORGED, cookies={"_oauth2_proxy": "cleo"}) as cleo:
        assert "Continue as cleo@example.com" in words(cleo.get("/login").text)
        assert 303 == press(cleo).status_code
        assert "Cleo" in words(cleo.get("/keys").text)
        cleo.cookies.set("_oauth2_proxy", "dora", domain="127.0.0.1")
        assert not is_in(cleo)
        assert 403 == press(cleo).status_code
    (person,) = people_of(live)
    assert ("cleo@example.com", ["member"]) == (person.subject, [one.role for one in person.memberships])


def test_who_loses_all_groups_loses_their_roles(
    behind: tuple[LiveConsole, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No groups are sent as none, and not as a header that is missing."""
    _, url = behind
    with Visitor(url, cookies={"_oauth2_proxy": "cleo"}) as cleo:
        assert 303 == press(cleo).status_code
        monkeypatch.setitem(PEOPLE, "cleo", {**PEOPLE["cleo"], "Groups": ""})
        assert not is_in(cleo)


@pytest.mark.parametrize("path", ["/login", "/keys", "/people"])
def test_whom_the_proxy_does_not_know_reaches_no_page(behind: tuple[LiveConsole, str], path: str) -> None:
    """Forged headers lead to the proxy's own page, and to the admin API nobody is signed in by them."""
    live, url = behind
    with Visitor(url, headers={**FORGED, **CLEO}) as eve:
        page = eve.get(path)
        assert (302, True) == (page.status_code, page.headers["location"].endswith(f"/oauth2/sign_in?rd={path}"))
        assert 401 == eve.get("/v1/whoami").status_code
    assert [] == people_of(live)
