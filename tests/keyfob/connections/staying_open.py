"""Clients and applications that keep a WebSocket or a response open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.keyfob.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Message, Receive, Scope, Send

    from keyfob import APIKeyMiddleware
    from keyfob.testing import Installation, Issued
    from tests.keyfob.conftest import Guard

BRISK = {"max_staleness": 0.2}


class Socket:
    """A client with an open WebSocket, seen from the server's side."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "websocket.close":
            await self.inbox.put({"type": "websocket.disconnect", "code": message["code"], "reason": ""})

    def open(self, app: APIKeyMiddleware, issued: Issued, path: str = "/ws") -> asyncio.Task[None]:
        headers = [(b"authorization", b"Bearer " + issued.text.encode())]
        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "headers": headers,
            "client": ("203.0.113.9", 4711),
        }
        self.inbox.put_nowait({"type": "websocket.connect"})
        return asyncio.create_task(app(scope, self.inbox.get, self.send))

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]


async def talks(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept, and then listen until the other side is gone."""
    assert "websocket.connect" == (await receive())["type"]
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def opened(here: Installation, guard: Guard, **fields: Any) -> tuple[APIKeyMiddleware, Issued, Socket, Any]:
    issued = await here.issue("ws:connect", **fields)
    app = guard(talks, **BRISK)
    socket = Socket()
    running = socket.open(app, issued)
    await until(lambda: "websocket.accept" in socket.types)
    return app, issued, socket, running


async def streams(scope: Scope, receive: Receive, send: Send) -> None:
    """Send the beginning of a response, and wait for something that never happens."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await asyncio.Event().wait()


def stream(
    app: APIKeyMiddleware, issued: Issued, *, method: str = "GET", inbox: Iterable[Message] = ()
) -> tuple[asyncio.Task[None], list[Message]]:
    """Ask *app* as a server would whose client says what is in *inbox*, and then nothing more."""
    sent: list[Message] = []
    waiting = iter(inbox)

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        for message in waiting:
            return message
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": "/items",
        "headers": [(b"x-api-key", issued.text.encode())],
        "client": ("203.0.113.9", 4711),
    }
    return asyncio.create_task(app(scope, receive, send)), sent
