"""What stays open while the store cannot confirm its key ends with the lease."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.connections.connection import KeyRevokedError
from keyfob.errors import StoreUnavailable
from tests.keyfob.conftest import on_both_stores, until
from tests.keyfob.connections.staying_open import Socket, stream, streams, talks

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from keyfob import APIKeyMiddleware
    from keyfob.store.contract.counter import Counter
    from keyfob.store.contract.key_store import Changes
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard


class Line:
    """A way to the store that can be cut, or left without an answer."""

    def __init__(self, app: APIKeyMiddleware) -> None:
        self._feed = app.runtime.freshness._feed
        self.is_cut = self.is_silent = False
        self.failed = self.answered = 0
        app.runtime.freshness._feed = self

    @property
    def change_signal(self) -> Counter:
        return self._feed.change_signal

    async def changes(self, since: int | None) -> Changes:
        if self.is_silent:
            await asyncio.Event().wait()
        if self.is_cut:
            self.failed += 1
            raise StoreUnavailable("the line is cut")
        changes = await self._feed.changes(since)
        self.answered += 1
        return changes

    async def fails_once_more(self) -> None:
        """Wait for a read that fails."""
        before = self.failed
        self.is_cut = True
        await until(lambda: self.failed > before)

    async def answers_once_more(self) -> None:
        """Wait for a read that succeeds."""
        before = self.answered
        self.is_cut = False
        await until(lambda: self.answered > before)


async def both_open(here: Installation, guard: Guard, **options: Any) -> tuple[Line, Socket, Any, Any]:
    """A socket and a stream of two keys, and the line that their process has to the store."""
    app = guard(talks_and_streams, **options)
    socket = Socket()
    talking = socket.open(app, await here.issue("ws:connect"))
    streaming, sent = stream(app, await here.issue("items:read"))
    await until(lambda: "websocket.accept" in socket.types and len(sent) == 2)
    line = Line(app)
    await app.runtime.freshness.refresh()
    return line, socket, talking, streaming


async def talks_and_streams(scope: Scope, receive: Receive, send: Send) -> None:
    await (talks if scope["type"] == "websocket" else streams)(scope, receive, send)


@on_both_stores
@pytest.mark.parametrize("how", ["is_cut", "is_silent"])
@pytest.mark.cases("WS-05", "WS-08", "SF-02")
async def test_what_cannot_be_confirmed_ends_with_the_lease(here: Installation, guard: Guard, how: str) -> None:
    """While the store cannot say, what is open ends as requests do: sockets with 1013, streams cut, within a second."""
    line, socket, talking, streaming = await both_open(here, guard, max_staleness=1.2)
    setattr(line, how, True)
    began = time.monotonic()

    async with asyncio.timeout(1.2 + 1):
        await talking
        with pytest.raises(KeyRevokedError):
            await streaming

    assert 0.3 < time.monotonic() - began  # most of a lease: it was renewed a quarter of one before, or just now
    assert 1013 == socket.sent[-1]["code"]


@on_both_stores
async def test_an_outage_shorter_than_the_lease_ends_nothing(here: Installation, guard: Guard) -> None:
    """What is open outlives polls that fail, as long as one succeeds before the lease runs out."""
    line, socket, talking, streaming = await both_open(here, guard, max_staleness=1.2)
    for _ in range(3):
        await line.fails_once_more()
        await line.answers_once_more()

    assert (["websocket.accept"], False) == (socket.types, streaming.done())
    for task in (talking, streaming):
        task.cancel()
    await asyncio.gather(talking, streaming, return_exceptions=True)


async def test_a_process_that_stood_still_looks_once_more(here: Installation, guard: Guard) -> None:
    """Who wakes without a lease, and in the midst of a read that fails, reads again before anything is ended."""
    line, socket, talking, streaming = await both_open(here, guard, max_staleness=0.4)
    line.is_cut = True
    time.sleep(0.6)  # noqa: ASYNC251 - this is how the process stands still
    await line.fails_once_more()
    await line.answers_once_more()
    await asyncio.sleep(0.1)  # what was ended before that answer would say so by now

    assert (["websocket.accept"], False) == (socket.types, streaming.done())
    for task in (talking, streaming):
        task.cancel()
    await asyncio.gather(talking, streaming, return_exceptions=True)
