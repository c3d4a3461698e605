"""One real installation per test, and a plain way to ask the middleware something."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import APIKeyMiddleware
from keyfob.testing import Installation, installation
from tests.keyfob.propagation.worker_list import WorkerList
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Guard = Callable[..., APIKeyMiddleware]

RULES = {
    "/open": {"public": True},
    "GET /items": "items:read",
    "POST /items": "items:write",
    "GET /items/{id}": "items:read",
    "/docs/private": "docs:secret",
    "/docs/{p:path}": {"public": True},
    "GET /teams/{team}/members": {"permission": "members:read", "team": "{team}"},
    "GET /any": [],
    "GET /scim": {"permission": "scim:provision", "key_types": ["scim"]},
    "WS /ws": "ws:connect",
}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Echo:
    """An application that remembers each scope it was given."""

    scopes: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(dict(scope))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


Headers = dict[str, str] | list[tuple[str, str]]


async def ask(
    app: ASGIApp,
    path: str,
    headers: Headers | None = None,
    *,
    method: str = "GET",
    ip: str = "203.0.113.9",
    **scope: object,
) -> Answer:
    """Send one HTTP request to *app*, as a server would."""
    pairs = headers.items() if isinstance(headers, dict) else headers or []
    answer = Answer(0)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await app(
        {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "client": (ip, 4711),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
            **scope,
        },
        receive,
        send,
    )
    return answer


on_both_stores = pytest.mark.parametrize("engine", ["sqlite", "postgres"])


@pytest.fixture
def engine() -> str:
    """Which store `here` is in; a test that is `on_both_stores` says it."""
    return "sqlite"


@pytest.fixture
async def here(tmp_path: Path, engine: str) -> AsyncIterator[Installation]:
    async with AsyncExitStack() as stack:
        url = None if engine == "sqlite" else await stack.enter_async_context(fresh_database())
        yield await stack.enter_async_context(installation(tmp_path, url=url))


async def in_force(app: APIKeyMiddleware) -> None:
    """Wait until a change that has returned is promised to be in force: on the SQLite of one host, no time at all."""
    if not app.runtime.store.is_immediate:
        await asyncio.sleep(app.runtime.settings.max_staleness)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def guard(here: Installation, echo: Echo) -> AsyncIterator[Callable[..., APIKeyMiddleware]]:
    """Makes middlewares over *here*, and stops them."""
    made: list[APIKeyMiddleware] = []

    def make(app: ASGIApp = echo, **options: object) -> APIKeyMiddleware:
        everything: dict[str, Any] = {"rules": RULES, **here.options, **options}
        made.append(APIKeyMiddleware(app, **everything))
        return made[-1]

    yield make
    for middleware in made:
        await middleware.runtime.stop()


@pytest.fixture
def worker_list() -> WorkerList:
    return WorkerList()


async def until(is_so: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait until *is_so*; the test's own timeout is the bound."""
    while True:
        answer = is_so()
        if answer is True or (answer is not False and await answer):
            return
        await asyncio.sleep(0.01)
