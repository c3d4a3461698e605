"""The application that the hostile cases are tried on, as in ``uvicorn tests.end_to_end.app:make --factory``.

Where it is and how it is guarded comes from the environment, as JSON in ``WIRE``; see `Wiring`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from keyfob import APIKeyMiddleware
from keyfob.testing import Installation, Issued

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send
    from starlette.websockets import WebSocket

RULES: dict[str, Any] = {
    "GET /open": {"public": True},
    "GET /items": "items:read",
    "POST /items": "items:write",
    "GET /items/{id}": "items:read",
    "/docs/private": "docs:secret",
    "GET /docs/own/{id}": "docs:secret",
    "/docs/{p:path}": {"public": True},
    "GET /m/x": "m:read",
    "WS /ws": "ws:connect",
    "GET /sse": "items:read",
    "GET /boom": "items:read",
    "GET /scope": "items:read",
    "GET /block": "items:read",
    "/_/{p:path}": {"public": True},
}


class Wiring(TypedDict, total=False):
    """What a test says of the application."""

    kind: str  # "outside" (the default), "inside" a Mount without lifespan, or "plain": no lifespan known at all
    options: dict[str, Any]  # the middleware's
    debug: bool  # Starlette's debug pages
    verbose: bool  # every logger at DEBUG


class Counted:
    """Counts what gets past Keyfob, the tests' own questions aside."""

    handled = 0

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not scope["path"].startswith("/_/"):
            Counted.handled += 1
        await self._app(scope, receive, send)


class Telltale:
    """Logs the locals of every frame that an exception passed on its way out, as some error reporters do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            told = traceback.TracebackException.from_exception(error, capture_locals=True)
            logging.getLogger("telltale").critical("%s", "".join(told.format()))
            raise


# -- what is guarded


async def _hello(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.url.path}")


async def _write(request: Request) -> Response:
    return JSONResponse({"length": len(await request.body())}, status_code=201)


async def _boom(_request: Request) -> Response:
    message = "this handler is broken"
    raise RuntimeError(message)


async def _scope(request: Request) -> Response:
    return PlainTextResponse(repr(request.scope))


async def _block(request: Request) -> Response:
    logging.getLogger("uvicorn.error").info("blocking the loop")
    time.sleep(float(request.query_params["seconds"]))  # noqa: ASYNC251 - the mistake of an application that is tried here
    return PlainTextResponse("slept")


async def _sse(request: Request) -> Response:
    async def events() -> AsyncIterator[bytes]:
        yield b"data: 0\n\n"
        while True:
            await asyncio.sleep(3600 if "quiet" in request.query_params else 0.05)
            yield b"data: more\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


async def _ws(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


def _inner(*, debug: bool = False) -> Starlette:
    app = Starlette(
        debug=debug,
        routes=[
            Route("/open", _hello),
            Route("/items", _hello, methods=["GET"]),
            Route("/items", _write, methods=["POST"]),
            Route("/items/{id}", _hello),
            Route("/docs/private", _hello),
            Route("/docs/{p:path}", _hello),
            Mount("/m", routes=[Route("/x", _hello)]),
            WebSocketRoute("/ws", _ws),
            Route("/sse", _sse),
            Route("/boom", _boom),
            Route("/scope", _scope),
            Route("/block", _block),
            Mount("/static", StaticFiles(directory=Path(__file__).parent)),
            Host("other.example", Starlette(routes=[Route("/elsewhere", _hello)])),
            Route("/_/grow", _grow, methods=["POST"]),
            Route("/_/stats", _stats),
            Route("/_/switch/{how}/{key_id}", _switch, methods=["POST"]),
        ],
    )
    app.state.plain = app
    return app


# -- what the tests ask


async def _grow(request: Request) -> Response:
    """Add a route to an application that is running."""
    request.app.router.routes.append(Route("/grown", _hello))
    return PlainTextResponse("grown")


async def _stats(request: Request) -> Response:
    """Which worker answers, what it let through, and what it cost."""
    guard: APIKeyMiddleware = request.app.state.guard
    return JSONResponse({"pid": os.getpid(), "handled": Counted.handled, **guard.stats})


async def _switch(request: Request) -> Response:
    """Disable or enable a key from within this worker, and answer when that has returned."""
    runtime = request.app.state.guard.runtime
    here = Installation(Path(), runtime.store, runtime.keyring.signing(), runtime.pool)
    found = await runtime.store.find(request.path_params["key_id"])
    change = here.disable if request.path_params["how"] == "off" else here.enable
    await change(Issued("", found.record))
    return PlainTextResponse("done")


# -- how it is put together


def make() -> ASGIApp:
    """Build the application as ``WIRE`` says."""
    wiring: Wiring = json.loads(os.environ["WIRE"])
    if wiring.get("verbose"):
        logging.basicConfig(level=logging.DEBUG)
        logging.getLogger("keyfob").setLevel(logging.DEBUG)
    return {"outside": _outside, "inside": _inside, "plain": _plain}[wiring.get("kind", "outside")](wiring)


def _outside(wiring: Wiring) -> ASGIApp:
    inner = _inner(debug=wiring.get("debug", False))
    guard = inner.state.guard = APIKeyMiddleware(Counted(inner), **{"rules": RULES, **wiring["options"]})
    return Telltale(guard)


def _inside(wiring: Wiring) -> ASGIApp:
    sub = Starlette(routes=[Route("/x", _hello), Route("/_/stats", _stats)])
    rules = {"GET /x": "m:read", "/_/{p:path}": {"public": True}}
    guard = sub.state.guard = APIKeyMiddleware(Counted(sub), **{"rules": rules, **wiring["options"]})
    return Starlette(routes=[Mount("/m", guard), Route("/open", _hello)])


def _plain(wiring: Wiring) -> ASGIApp:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            message = f"this application only speaks http, not {scope['type']}"
            raise ValueError(message)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return APIKeyMiddleware(app, **{"rules": RULES, **wiring["options"]})
