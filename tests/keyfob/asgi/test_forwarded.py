"""The edge: what goes into the scope and onto the response, and which settings may stand together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.keyfob.conftest import Echo, Guard

FORWARDED = [
    ("https", "https"),
    ("HTTPS", "https"),
    ("http, https", "https"),
    ("https,http", "http"),
    (" https ", "https"),
    ("wss", "https"),
    ("ftp", "http"),
    ("", "http"),
    ("https\x00", "http"),
]


@pytest.mark.parametrize(("told", "scheme"), FORWARDED)
@pytest.mark.parametrize("path", ["/items", "/open"])
async def test_ff_25_a_trusted_proxy_tells_the_scheme(
    here: Installation, guard: Guard, echo: Echo, told: str, scheme: str, path: str
) -> None:
    """The application builds its redirects from the scheme under which the client reached the proxy."""
    issued = await here.issue("items:read")
    app = guard(trusted_proxies=["10.0.0.0/8"])

    await ask(app, path, {**issued.headers, "X-Forwarded-Proto": told}, ip="10.0.0.1", scheme="http")
    await ask(app, path, {**issued.headers, "X-Forwarded-Proto": told}, ip="11.0.0.1", scheme="http")

    assert [scheme, "http"] == [scope["scheme"] for scope in echo.scopes]


HOSTS = [
    ("shop.example", b"shop.example"),
    ("a.example, shop.example:8443", b"shop.example:8443"),
    ("[2001:db8::1]:80", b"[2001:db8::1]:80"),
    ("shop.example/../x", b"inner"),
    ("a b", b"inner"),
    ("", b"inner"),
    ("user@shop.example", b"inner"),
    ("x" * 300, b"inner"),
]


@pytest.mark.parametrize(("told", "host"), HOSTS)
async def test_ff_25_a_trusted_proxy_tells_the_host(
    here: Installation, guard: Guard, echo: Echo, told: str, host: bytes
) -> None:
    """X-Forwarded-Host takes the place of Host, if it is one host."""
    issued = await here.issue("items:read")
    headers = {"Host": "inner", **issued.headers, "X-Forwarded-Host": told}

    await ask(guard(trusted_proxies=["10.0.0.0/8"]), "/items", headers, ip="10.0.0.1", scheme="http")

    assert [host] == [value for name, value in echo.scopes[0]["headers"] if name == b"host"]


async def test_ff_25_a_websocket_keeps_its_own_schemes(here: Installation, guard: Guard) -> None:
    """Https of the proxy is wss of a WebSocket."""
    seen: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["scheme"])

    issued = await here.issue("ws:connect")
    headers = [(b"authorization", f"Bearer {issued.text}".encode()), (b"x-forwarded-proto", b"https")]
    scope = {"type": "websocket", "path": "/ws", "headers": headers, "client": ("10.0.0.1", 1), "scheme": "ws"}
    await guard(app, trusted_proxies=["10.0.0.0/8"])(scope, ask, ask)  # type: ignore[arg-type]

    assert ["wss"] == seen


@pytest.mark.parametrize("options", [{}, {"trusted_proxies": ["10.0.0.0/8"], "forwarded_scheme": False}])
async def test_ff_25_nobody_else_tells_the_scheme(
    here: Installation, guard: Guard, echo: Echo, options: dict[str, Any]
) -> None:
    """Without trusted proxies, or with forwarded_scheme off, scope and headers stay as the server made them."""
    issued = await here.issue("items:read")
    headers = {**issued.headers, "Host": "inner", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}

    await ask(guard(**options), "/items", headers, ip="10.0.0.1", scheme="http")

    assert ("http", (b"host", b"inner")) == (echo.scopes[0]["scheme"], echo.scopes[0]["headers"][0])
