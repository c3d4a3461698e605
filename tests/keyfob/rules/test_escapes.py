"""Paths with escapes that nobody has to write, for routers that compare the path as it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from blacksheep import Application, Response, Router
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from keyfob.rules.readings import _NEEDLESS
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

RULES: dict[str, Any] = {"/status": {"public": True}, "/büro/{x}": {"public": True}, "GET /items": "items:read"}
IN_A_SEGMENT = "ABCXYZabcxyz0189-._~!$&'()*+,;=:@"  # RFC 3986, section 3.3


def tenants() -> tuple[Application, list[str]]:
    """An application with a route that no rule names, beside those that some do."""
    ran: list[str] = []
    app = Application(router=Router())

    async def known(request: Any) -> Response:
        del request
        return Response(200)

    async def tenant(request: Any) -> Response:
        ran.append(request.url.path.decode())
        return Response(200)

    for path, handler in {"/status": known, "/items": known, "/{tenant}": tenant}.items():
        app.router.add("GET", path, handler)
    return app, ran


@pytest.mark.cases("FF-70")
async def test_an_escape_that_nobody_needs_does_not_lead_past_the_rules(here: Installation, guard: Guard) -> None:
    """To BlackSheep /%73tatus is not /status but a tenant, and no rule names tenants: refused, as it would be plain."""
    app, ran = tenants()
    guarded, key = guard(app, rules=RULES), await here.issue("items:read")
    sent: dict[str, Any] = {"scheme": "http", "http_version": "1.1", "server": ("test", 80)}

    for raw in ("/%73tatus", "/%69tems", "/status%2E", "/acme"):
        assert 401 == (await ask(guarded, unquote(raw), raw_path=raw.encode(), **sent)).status
        assert 403 == (await ask(guarded, unquote(raw), key.headers, raw_path=raw.encode(), **sent)).status
    assert 200 == (await ask(guarded, "/status", **sent)).status
    assert 200 == (await ask(guarded, "/items", key.headers, **sent)).status
    assert [] == ran


@pytest.mark.cases("FF-70")
async def test_escapes_that_are_needed_or_stand_in_a_parameter_are_as_before(guard: Guard) -> None:
    """Nobody can write ü without an escape, and a parameter takes a segment however it is written."""
    app = guard(rules=RULES)

    for raw in ("/b%C3%BCro/a", "/b%c3%bcro/%61", "/b%C3%BCro/a%20b", "/b%C3%BCro/%7Eann"):
        assert 200 == (await ask(app, unquote(raw), raw_path=raw.encode())).status


@pytest.mark.cases("FF-70")
async def test_a_router_that_decodes_sees_no_escapes(guard: Guard) -> None:
    """Behind Starlette both spellings are one route."""
    app = guard(Starlette(routes=[Route("/status", lambda _: PlainTextResponse("ok"))]), rules=RULES)

    assert 200 == (await ask(app, "/status", raw_path=b"/%73tatus")).status


def test_needless_is_what_a_segment_may_hold() -> None:
    """Every character that may stand there as it is, and no other."""
    assert all(_NEEDLESS.search(f"%{ord(sign):02x}") and _NEEDLESS.search(f"%{ord(sign):02X}") for sign in IN_A_SEGMENT)
    assert not any(_NEEDLESS.search(quote(sign, safe="")) for sign in '/?#[]%"<>\\^`{|} ü\x7f')
