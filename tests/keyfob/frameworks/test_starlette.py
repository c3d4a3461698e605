from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from keyfob import APIKeyMiddleware
from tests.keyfob.frameworks.conftest import ask, knock

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

    from keyfob.testing import Installation
    from tests.keyfob.frameworks.conftest import Guard

PUBLIC = {"public": True}
RULES: dict[str, Any] = {"/items": [], "/both": [], "/teapot": [], "/open": PUBLIC, "WS /ws": []}


@requires("items:read")
async def items(request: Request) -> Response:
    return PlainTextResponse(request.user.display_name)


@requires(["items:read", "items:write"])
async def both(request: Request) -> Response:
    return PlainTextResponse("both")


@requires("items:read", status_code=418)
async def teapot(request: Request) -> Response:
    return PlainTextResponse("tea")


@requires("items:read")
async def ws(websocket: WebSocket) -> None:
    await websocket.accept()


ROUTES = [
    Route("/items", items),
    Route("/open", items),
    Route("/both", both),
    Route("/teapot", teapot),
    WebSocketRoute("/ws", ws),
]


@pytest.mark.parametrize("held", ["items:read", "items:*", "*"])
async def test_starlettes_requires_asks_what_the_key_covers(here: Installation, guard: Guard, held: str) -> None:
    """``@requires("items:read")`` passes a key that holds it, by itself or through a wildcard."""
    issued = await here.issue(held, name="reader")

    assert (
        f"reader ({issued.record.id})"
        == (await ask(guard(Starlette(routes=ROUTES), RULES), "/items", issued.headers)).text
    )


async def test_starlettes_requires_refuses_what_the_key_does_not_cover(here: Installation, guard: Guard) -> None:
    """403, or the status that the route names, as Starlette has it."""
    app = guard(Starlette(routes=ROUTES), RULES)
    other, reader = await here.issue("itemsx:read"), await here.issue("items:read")

    assert 403 == (await ask(app, "/items", other.headers)).status_code
    assert 418 == (await ask(app, "/teapot", other.headers)).status_code
    assert 403 == (await ask(app, "/both", reader.headers)).status_code


async def test_starlettes_requires_is_for_paths_that_are_not_public(here: Installation, guard: Guard) -> None:
    """On a public path there is no user to ask, which is a mistake that lets nobody in."""
    reader = await here.issue("items:read")

    assert 500 == (await ask(guard(Starlette(routes=ROUTES), RULES), "/open", reader.headers)).status_code


async def test_starlettes_requires_guards_websockets(here: Installation, guard: Guard) -> None:
    """A WebSocket whose key lacks the permission is closed before it is accepted."""
    app = guard(Starlette(routes=ROUTES), RULES)
    reader, other = await here.issue("items:read"), await here.issue("items:write")

    assert "websocket.accept" == (await knock(app, "/ws", reader.headers))[0]["type"]
    assert "websocket.close" == (await knock(app, "/ws", other.headers))[0]["type"]


async def test_keyfob_stands_in_starlettes_list_of_middleware(here: Installation) -> None:
    """``Middleware(APIKeyMiddleware, …)`` is as good as the line around the application."""
    made: list[APIKeyMiddleware] = []

    def keyfob(app: Any) -> APIKeyMiddleware:
        made.append(APIKeyMiddleware(app, rules=RULES, **here.options))
        return made[-1]

    app = Starlette(routes=ROUTES, middleware=[Middleware(keyfob)])
    reader, other = await here.issue("items:read"), await here.issue("items:write")

    assert 200 == (await ask(app, "/items", reader.headers)).status_code
    assert 403 == (await ask(app, "/items", other.headers)).status_code
    assert 401 == (await ask(app, "/items")).status_code
    await made[0].runtime.stop()
