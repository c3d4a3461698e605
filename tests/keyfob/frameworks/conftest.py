"""One real installation per test, and two ways to ask an application in this process."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keyfob import APIKeyMiddleware
from keyfob.testing import Installation, installation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from starlette.types import Message, Scope

    ASGIApp = Callable[..., Awaitable[None]]  # of any framework's own types
    Guard = Callable[..., APIKeyMiddleware]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installation(tmp_path) as made:
        yield made


@pytest.fixture
async def guard(here: Installation) -> AsyncIterator[Guard]:
    """Puts a middleware around an application, over *here*, and stops it in the end."""
    made: list[APIKeyMiddleware] = []

    def around(app: ASGIApp, rules: dict[str, Any], **options: Any) -> APIKeyMiddleware:
        made.append(APIKeyMiddleware(app, rules=rules, **{**here.options, **options}))
        return made[-1]

    yield around
    for middleware in made:
        await middleware.runtime.stop()


async def ask(app: ASGIApp, path: str, headers: dict[str, str] | None = None, *, method: str = "GET") -> httpx.Response:
    """Send one request; what the application raises comes out here as the 500 that a server makes of it."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, headers=headers)


def whole(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer but the id of its request, to compare it with another."""
    return answer.status_code, sorted(answer.headers.multi_items()), without_id(answer.content)


def without_id(body: bytes) -> bytes:
    """A problem as it is for every request."""
    return re.sub(rb'(?<="request_id":")[0-9a-f]{16}(?=")', b"0" * 16, body)


async def knock(app: ASGIApp, path: str, headers: dict[str, str] | None = None, **scope: Any) -> list[Message]:
    """Begin a WebSocket that the client leaves as soon as it is open; what the application sent."""
    sent: list[Message] = []
    incoming: list[Message] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    connection: Scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "client": ("203.0.113.9", 4711),
        "server": ("test", 80),
        "subprotocols": [],
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "state": {},
        **scope,
    }
    await app(connection, receive, send)
    return sent
