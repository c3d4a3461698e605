"""Applications that keep connections open, for any ASGI server: ``tests.end_to_end.long_lived:app``.

The framework, the middleware around Keyfob and its options come from the environment, as JSON in ``LONG_LIVED``.
Whatever the application notices goes to the folder of the installation: a line in ``noticed`` for each thing.
"""

# ruff: noqa: PLC0415 - each process imports only the framework that it serves

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send
    from starlette.websockets import WebSocket

RULES = {
    "GET /active": "items:read",
    "GET /quiet": "items:read",
    "GET /silent": "items:read",
    "GET /slow": "items:read",
    "GET /whole": "items:read",
    "PUT /upload": "items:read",
    "WS /ws": "ws:connect",
    "GET /open": {"public": True},
}
_WIRING: dict[str, Any] = json.loads(os.environ.get("LONG_LIVED", "{}"))


def notice(what: str) -> None:
    """Write down that *what* happened, where the test can read it."""
    with Path(_WIRING["noticed"]).open("a", encoding="utf-8") as file:
        file.write(f"{what}\n")


async def events(how: str) -> AsyncIterator[bytes]:
    """Events for ever: *active* has one often, *quiet* one only, *silent* none, and *slow* begins late."""
    notice(f"{how} begins")
    try:
        if how != "silent":
            yield b"data: first\n\n"
        while how in {"active", "slow"}:
            await asyncio.sleep(0.05)
            yield b"data: more\n\n"
        await asyncio.Event().wait()
    finally:
        notice(f"{how} ends")


async def late(how: str) -> None:
    """Take some time before the response begins, if *how* is slow."""
    if how == "slow":
        notice("slow works")
        await asyncio.sleep(1.5)


# -- frameworks


def starlette() -> ASGIApp:
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route, WebSocketRoute

    async def stream(request: Request) -> Response:
        how = request.path_params["how"]
        await late(how)
        return StreamingResponse(events(how), media_type="text/event-stream")

    async def whole(_: Request) -> Response:
        return PlainTextResponse("whole", background=BackgroundTask(_after))

    async def upload(request: Request) -> Response:
        async for _ in request.stream():
            notice("upload got a part")
        notice("upload is whole")
        return PlainTextResponse("whole")

    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            notice(f"got {text}")
            await socket.send_text(text)
        notice("ws ends")

    app = Starlette(
        routes=[
            Route("/open", whole),
            Route("/whole", whole),
            Route("/upload", upload, methods=["PUT"]),
            Route("/{how}", stream),
            WebSocketRoute("/ws", ws),
        ]
    )
    if _WIRING.get("inside"):
        app.add_middleware(_base_http())
    return app


async def _after() -> None:
    notice("background begins")
    await asyncio.sleep(1.5)
    notice("background ends")


def fastapi() -> ASGIApp:
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    app = FastAPI()

    @app.get("/{how}", response_model=None)
    async def stream(how: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - FastAPI would look its name up
        await late(how)
        return StreamingResponse(events(how), media_type="text/event-stream")

    return app


def django() -> ASGIApp:
    from django.conf import settings
    from django.http import StreamingHttpResponse
    from django.urls import path

    async def stream(_: object, how: str) -> StreamingHttpResponse:
        await late(how)
        return StreamingHttpResponse(events(how), content_type="text/event-stream")

    settings.configure(ROOT_URLCONF=(path("<how>", stream),), ALLOWED_HOSTS=["*"], SECRET_KEY="none", DEBUG=False)
    from django.core.asgi import get_asgi_application

    app: ASGIApp = get_asgi_application()
    return app


def quart() -> ASGIApp:
    from quart import Quart, Response, websocket

    app = Quart(__name__)

    @app.get("/<how>")
    async def stream(how: str) -> Response:
        await late(how)
        response = Response(events(how), content_type="text/event-stream")
        response.timeout = None
        return response

    @app.websocket("/ws")
    async def ws() -> None:
        try:
            while True:
                text = str(await websocket.receive())
                notice(f"got {text}")
                await websocket.send(text)
        finally:
            notice("ws ends")

    return cast("ASGIApp", app)


def litestar() -> ASGIApp:
    from litestar import Litestar, get
    from litestar.response import Stream

    async def stream(how: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - Litestar would look its names up
        await late(how)
        return Stream(events(how), media_type="text/event-stream")

    stream.__annotations__ = {"how": str, "return": Stream}
    return cast("ASGIApp", Litestar([get("/{how:str}")(stream)]))


def plain() -> ASGIApp:
    """An application that never looks at what it receives."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise ValueError("no lifespan")
        how = scope["path"][1:]
        await late(how)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for event in events(how):
            await send({"type": "http.response.body", "body": event, "more_body": True})

    return app


# -- middleware outside


def _base_http() -> Any:
    from starlette.middleware.base import BaseHTTPMiddleware

    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            return response

    return Passing


def _wrapped(app: ASGIApp) -> ASGIApp:
    wrapped: ASGIApp = _base_http()(app)
    return wrapped


def _swallowing(app: ASGIApp) -> ASGIApp:
    """Send the parts again, a little changed, and end well whatever happens on their way."""
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import StreamingResponse

    class Swallowing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            response = await call_next(request)

            async def parts() -> AsyncIterator[bytes]:
                with suppress(Exception):
                    async for part in response.body_iterator:
                        yield part.replace(b"\t", b" ")

            return StreamingResponse(parts(), response.status_code, response.headers)

    return Swallowing(app)


def _gzip(app: ASGIApp) -> ASGIApp:
    from starlette.middleware.gzip import GZipMiddleware

    return GZipMiddleware(app, minimum_size=1)


_FRAMEWORKS: dict[str, Callable[[], ASGIApp]] = {
    each.__name__: each for each in (starlette, fastapi, django, quart, litestar, plain)
}
_OUTSIDE: dict[str, Callable[[ASGIApp], ASGIApp]] = {
    "nothing": lambda app: app,
    "BaseHTTPMiddleware": _wrapped,
    "GZipMiddleware": _gzip,
    "two of them": lambda app: _wrapped(_wrapped(app)),
    "one that swallows": _swallowing,
    "one around the other": lambda app: _wrapped(_gzip(_wrapped(app))),
}


def _make() -> ASGIApp:
    inner = _FRAMEWORKS[_WIRING.get("framework", "starlette")]()
    guarded = APIKeyMiddleware(inner, rules=RULES, **_WIRING["options"])
    return _OUTSIDE[_WIRING.get("outside", "nothing")](guarded)


def _collect_garbage() -> None:
    """Do twice a second what a busy process does by itself.

    Frameworks leave the events in a cycle where a response was cut just while a part of it was being sent, as they do
    when a client leaves then: what waits for their end would wait for minutes in a process without other requests.
    """
    while True:
        time.sleep(0.5)
        gc.collect()


if _WIRING:
    app = _make()
    threading.Thread(target=_collect_garbage, daemon=True).start()
