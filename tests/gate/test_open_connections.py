"""What stays open ends when its key no longer allows it."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.open_connections import OpenSocket
from keyfob.ring_file import load_ring, write_ring
from keyfob.store import RingMark, RingState, sqlite_admin
from tests.gate.conftest import ask, on_both_stores, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Message, Receive, Scope, Send

    from keyfob import APIKeyMiddleware
    from keyfob.store import Changes, Transaction
    from keyfob.testing import Installation, Issued
    from tests.gate.conftest import Guard

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


async def disable(here: Installation, issued: Issued) -> None:
    await here.disable(issued)


async def narrow(here: Installation, issued: Issued) -> None:
    await here.change(issued, permissions=("items:read",))


async def move_away(here: Installation, issued: Issued) -> None:
    await here.change(issued, ip_allow=("10.0.0.0/8",))


async def erase(here: Installation, issued: Issued) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.erase_key(issued.record.id, datetime.now(UTC))

    await here.store.change(work)


async def retire_its_ring(here: Installation, issued: Issued) -> None:
    ring = load_ring(here.folder / "keyfob.ring")
    grown = ring.added(datetime.now(UTC))
    write_ring(here.folder / "keyfob.ring", grown, replaces=ring)
    new = grown.newest

    async def work(transaction: Transaction) -> None:
        now = datetime.now(UTC)
        await transaction.put_ring_mark(RingMark(new.char, new.fingerprint, RingState.ACTIVE, now))
        await transaction.put_ring_mark(RingMark(here.signing.char, here.signing.fingerprint, RingState.RETIRED, now))

    await here.store.change(work)


@on_both_stores
async def test_ws_02_a_key_without_the_permission_is_never_accepted(here: Installation, guard: Guard) -> None:
    """Neither on its first try, which asks the store, nor on its second: the socket closes, and nobody hears of it."""
    app, issued = guard(talks, **BRISK), await here.issue("items:read")
    for _ in range(2):
        socket = Socket()
        await socket.open(app, issued)

        assert ["websocket.close"] == socket.types
        assert 1008 == socket.sent[0]["code"]


@pytest.mark.parametrize("change", [disable, narrow, move_away, erase, retire_its_ring])
@on_both_stores
async def test_ws_05_a_socket_falls_with_its_key(here: Installation, guard: Guard, change: Any) -> None:
    """Whatever takes the key's right away closes its open WebSockets with 1008."""
    _, issued, socket, running = await opened(here, guard)

    await change(here, issued)
    await running

    assert ["websocket.accept", "websocket.close"] == socket.types
    assert 1008 == socket.sent[-1]["code"]


async def test_a_socket_falls_when_its_key_runs_out(here: Installation, guard: Guard) -> None:
    """Expiry needs no change of anybody's to close what is open."""
    soon = datetime.now(UTC) + timedelta(seconds=0.5)

    _, _, socket, running = await opened(here, guard, expires_at=soon)
    await running

    assert soon.timestamp() <= time.time()
    assert 1008 == socket.sent[-1]["code"]


async def test_a_socket_stays_open_through_changes_that_leave_its_right(here: Installation, guard: Guard) -> None:
    """A renamed key, and a longer life given in time, close nothing."""
    soon = datetime.now(UTC) + timedelta(seconds=0.4)
    app, issued, socket, running = await opened(here, guard, expires_at=soon)

    await here.change(issued, name="another name", expires_at=None)
    await asyncio.sleep(0.6)

    assert ["websocket.accept"] == socket.types
    assert {issued.record.id} == app.runtime.connections.open_keys()
    await socket.inbox.put({"type": "websocket.disconnect", "code": 1000})
    await running
    assert not app.runtime.connections.open_keys()


async def test_what_is_judged_again_is_what_was_asked(here: Installation, guard: Guard) -> None:
    """Routers inside rewrite the scope, as a mount does; a second judgement goes by the first one's path."""

    async def mounts(scope: Scope, receive: Receive, send: Send) -> None:
        scope.update(root_path="/ws", path="/elsewhere", client=None)
        await talks(scope, receive, send)

    issued = await here.issue("ws:connect", ip_allow=("203.0.113.0/24",))
    socket = Socket()
    running = socket.open(guard(mounts, **BRISK), issued)
    await until(lambda: "websocket.accept" in socket.types)

    await here.change(issued, name="another name")
    await asyncio.sleep(0.4)
    assert ["websocket.accept"] == socket.types
    await here.change(issued, permissions=("items:read",))
    await running

    assert ["websocket.accept", "websocket.close"] == socket.types


async def test_sf_16_sockets_are_looked_at_again_in_another_history(here: Installation, guard: Guard) -> None:
    """When the database is replaced, the keys of open sockets are read anew; one that is not there closes its own."""
    stays = await here.issue("ws:connect")
    backup = here.folder / "older.db"
    await sqlite_admin.backup(here.store, backup)  # type: ignore[arg-type]  # the SQLite store that it is
    goes = await here.issue("ws:connect")
    app = guard(talks, **BRISK)
    sockets = [Socket(), Socket()]
    running = [socket.open(app, issued) for socket, issued in zip(sockets, (stays, goes), strict=True)]
    await until(lambda: all("websocket.accept" in socket.types for socket in sockets))

    await sqlite_admin.restore(here.store, backup)  # type: ignore[arg-type]
    await running[1]

    assert ["websocket.accept", "websocket.close"] == sockets[1].types
    assert ["websocket.accept"] == sockets[0].types
    await sockets[0].inbox.put({"type": "websocket.disconnect", "code": 1000})
    await running[0]


async def test_a_fallen_socket_takes_and_gives_nothing_more(here: Installation, guard: Guard) -> None:
    """After the close the application is told of a disconnect, and cannot send."""
    outcome: list[Any] = []

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        outcome.append(await receive())
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except OSError as gone:
            outcome.append(type(gone).__name__)
            raise

    issued = await here.issue("ws:connect")
    app = guard(stubborn, **BRISK)
    socket = Socket()
    running = socket.open(app, issued)
    await until(lambda: "websocket.accept" in socket.types)

    await here.disable(issued)
    await running

    assert [{"type": "websocket.disconnect", "code": 1008, "reason": ""}, "KeyFellError"] == outcome


async def test_a_client_that_left_before_the_close_disturbs_nobody(here: Installation, guard: Guard) -> None:
    """If the close cannot be sent any more, that is nobody's error."""
    app, issued, socket, running = await opened(here, guard)

    async def broken(message: Message) -> None:
        await socket.inbox.put({"type": "websocket.disconnect", "code": 1006})
        raise RuntimeError("Unexpected ASGI message after close")

    ((connection,),) = app.runtime.connections._by_key.values()
    assert isinstance(connection, OpenSocket)
    connection._send = broken
    await here.disable(issued)

    await running


async def streams(scope: Scope, receive: Receive, send: Send) -> None:
    """Send the beginning of a response, and wait for something that never happens."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await asyncio.Event().wait()


def stream(app: APIKeyMiddleware, issued: Issued) -> tuple[asyncio.Task[None], list[Message]]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/items",
        "headers": [(b"x-api-key", issued.text.encode())],
        "client": ("203.0.113.9", 4711),
    }
    return asyncio.create_task(app(scope, receive, send)), sent


@on_both_stores
async def test_ws_08_a_response_is_cut_and_not_ended(here: Installation, guard: Guard) -> None:
    """A response still sending is cut off without a last part, and the server's task goes on to live."""
    issued = await here.issue("items:read")
    app = guard(streams, **BRISK)
    running, sent = stream(app, issued)
    await until(lambda: len(sent) == 2)

    await here.disable(issued)
    await running

    assert [True] == [message["more_body"] for message in sent[1:]]
    assert 0 == running.cancelling()
    assert not app.runtime.connections.open_keys()


async def test_a_response_that_fell_cannot_go_on(here: Installation, guard: Guard) -> None:
    """An application that swallows the cancellation still cannot send another part."""
    refused: list[str] = []

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await streams(scope, receive, send)
        except asyncio.CancelledError:
            try:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except OSError as gone:
                refused.append(type(gone).__name__)
                raise

    issued = await here.issue("items:read")
    running, sent = stream(guard(stubborn, **BRISK), issued)
    await until(lambda: len(sent) == 2)

    await here.disable(issued)
    await running

    assert (["KeyFellError"], 2) == (refused, len(sent))


async def test_a_cancelled_server_task_stays_cancelled(here: Installation, guard: Guard) -> None:
    """A cancellation that is not ours, as at shutdown, is passed on."""
    issued = await here.issue("items:read")
    running, sent = stream(guard(streams, **BRISK), issued)
    await until(lambda: len(sent) == 2)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_an_error_of_the_application_is_its_own(here: Installation, guard: Guard) -> None:
    """What an application raises by itself reaches the server, over HTTP and WebSocket."""

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    app = guard(breaks)
    running, _ = stream(app, await here.issue("items:read"))
    with pytest.raises(ZeroDivisionError):
        await running
    with pytest.raises(ZeroDivisionError):
        await Socket().open(app, await here.issue("ws:connect"))


async def test_streams_can_be_left_alone(here: Installation, guard: Guard) -> None:
    """With close_on_revoke off a response goes on, though the next request is refused."""
    issued = await here.issue("items:read")
    running, sent = stream(guard(streams, close_on_revoke=False, **BRISK), issued)
    await until(lambda: len(sent) == 2)

    await here.disable(issued)
    await asyncio.sleep(0.4)

    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


class Line:
    """A way to the store that can be cut, or left without an answer."""

    def __init__(self, app: APIKeyMiddleware) -> None:
        self._feed = app.runtime.freshness._feed
        self.is_cut = self.is_silent = False
        app.runtime.freshness._feed = self

    @property
    def doorbell(self) -> Sequence[int]:
        return self._feed.doorbell

    async def changes(self, since: int | None) -> Changes:
        if self.is_silent:
            await asyncio.Event().wait()
        if self.is_cut:
            raise StoreUnavailable("the line is cut")
        return await self._feed.changes(since)


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
async def test_what_nobody_can_vouch_for_ends_with_the_lease(here: Installation, guard: Guard, how: str) -> None:
    """While the store cannot say, what is open ends as requests do: sockets with 1013, streams cut, within a second."""
    line, socket, talking, streaming = await both_open(here, guard, max_staleness=0.4)
    setattr(line, how, True)
    began = time.monotonic()

    async with asyncio.timeout(0.4 + 1):
        await asyncio.gather(talking, streaming)

    assert 0.3 < time.monotonic() - began  # nearly a whole lease: it was renewed just before
    assert 1013 == socket.sent[-1]["code"]


@on_both_stores
async def test_an_outage_shorter_than_the_lease_ends_nothing(here: Installation, guard: Guard) -> None:
    """What is open outlives polls that fail, as long as one succeeds before the lease runs out."""
    line, socket, talking, streaming = await both_open(here, guard, max_staleness=0.8)
    for _ in range(3):
        line.is_cut = True
        await asyncio.sleep(0.3)
        line.is_cut = False
        await asyncio.sleep(0.4)

    assert (["websocket.accept"], False) == (socket.types, streaming.done())
    for task in (talking, streaming):
        task.cancel()
    await asyncio.gather(talking, streaming, return_exceptions=True)


async def test_a_process_that_stood_still_looks_once_more(here: Installation, guard: Guard) -> None:
    """Who wakes without a lease, and in the midst of a read that fails, reads again before anything is ended."""
    line, socket, talking, streaming = await both_open(here, guard, max_staleness=0.4)
    line.is_cut = True
    time.sleep(0.6)  # noqa: ASYNC251 - this is how the process stands still
    await asyncio.sleep(0.2)
    line.is_cut = False
    await asyncio.sleep(0.6)

    assert (["websocket.accept"], False) == (socket.types, streaming.done())
    for task in (talking, streaming):
        task.cancel()
    await asyncio.gather(talking, streaming, return_exceptions=True)


async def in_two_parts(_: Scope, __: Receive, send: Send) -> None:
    """Send a response that is open for a moment."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await send({"type": "http.response.body", "body": b"last"})


async def test_a_response_that_has_ended_is_watched_no_longer(here: Installation, guard: Guard) -> None:
    """Whatever was open once leaves nothing behind, or a busy server would keep every response for ever."""
    app = guard(in_two_parts)
    task, sent = stream(app, await here.issue("items:read"))
    await task

    assert 3 == len(sent)
    assert (frozenset(), {}) == (app.runtime.connections.open_keys(), app.runtime.connections.responses)


async def test_a_response_of_another_thread_is_cut_there(here: Installation, guard: Guard) -> None:
    """What a key that falls would cancel is the task that answers, not the one that runs in Keyfob's own event loop."""
    owners: list[bool] = []

    async def looks(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        owners.extend(each._task is asyncio.current_task() for each in responses.values())
        await send({"type": "http.response.body", "body": b"last"})

    app, issued = guard(looks), await here.issue("items:read")
    responses = app.runtime.connections.responses
    assert 200 == (await ask(app, "/items", issued.headers)).status
    thread = threading.Thread(target=lambda: asyncio.run(ask(app, "/items", issued.headers)))
    thread.start()
    thread.join()  # so that this task is the one that runs here

    assert [True, True] == owners
