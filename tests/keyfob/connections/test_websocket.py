"""A WebSocket ends when its key no longer allows it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.connections.websocket import OpenSocket
from keyfob.keyring.file import load_keyring, write_keyring
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.store.sqlite import admin as sqlite_admin
from tests.keyfob.conftest import on_both_stores, until
from tests.keyfob.connections.staying_open import BRISK, Socket, opened, talks

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from keyfob.store.contract.transaction import Transaction
    from keyfob.testing import Installation, Issued
    from tests.keyfob.conftest import Guard


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


async def retire_its_key(here: Installation, issued: Issued) -> None:
    keyring = load_keyring(here.folder / "keyfob.keyring")
    grown = keyring.added(datetime.now(UTC))
    write_keyring(here.folder / "keyfob.keyring", grown, replaces=keyring)
    new = grown.newest

    async def work(transaction: Transaction) -> None:
        now = datetime.now(UTC)
        await transaction.put_signing_key(SigningKeyRecord(new.char, new.fingerprint, SigningKeyState.ACTIVE, now))
        await transaction.put_signing_key(
            SigningKeyRecord(here.signing.char, here.signing.fingerprint, SigningKeyState.RETIRED, now)
        )

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


@pytest.mark.parametrize("change", [disable, narrow, move_away, erase, retire_its_key])
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
    soon = datetime.now(UTC) + timedelta(seconds=2)

    _, _, socket, running = await opened(here, guard, expires_at=soon)
    await running

    assert soon.timestamp() <= time.time()
    assert 1008 == socket.sent[-1]["code"]


async def test_a_socket_stays_open_through_changes_that_leave_its_right(here: Installation, guard: Guard) -> None:
    """A renamed key, and a longer life given in time, close nothing."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    app, issued, socket, running = await opened(here, guard, expires_at=soon)

    await here.change(issued, name="another name", expires_at=None)
    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds() + 0.2)

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


async def test_a_revoked_socket_takes_and_gives_nothing_more(here: Installation, guard: Guard) -> None:
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

    assert [{"type": "websocket.disconnect", "code": 1008, "reason": ""}, "KeyRevokedError"] == outcome


async def test_a_client_that_left_before_the_close_disturbs_nobody(here: Installation, guard: Guard) -> None:
    """If the close cannot be sent any more, that is nobody's error."""
    app, issued, socket, running = await opened(here, guard)

    async def broken(message: Message) -> None:
        await socket.inbox.put({"type": "websocket.disconnect", "code": 1006})
        raise RuntimeError("Unexpected ASGI message after close")

    ((connection,),) = app.runtime.connections._sockets.values()
    assert isinstance(connection, OpenSocket)
    connection._send = broken
    await here.disable(issued)

    await running


@pytest.mark.parametrize("arrives", ["before", "after"])
async def test_ff_61_a_message_that_arrives_with_the_fall_is_not_delivered(
    here: Installation, guard: Guard, arrives: str
) -> None:
    """An application that waits for a message when its key is revoked gets the disconnect, whatever comes meanwhile."""
    received: list[Message] = []

    async def listens(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        received.append(await receive())

    issued = await here.issue("ws:connect")
    app, socket = guard(listens, **BRISK), Socket()
    running = socket.open(app, issued)
    await until(lambda: "websocket.accept" in socket.types)
    late = {"type": "websocket.receive", "text": "late"}
    if arrives == "before":
        socket.inbox.put_nowait(late)
    app.runtime.connections.end_key(issued.record.id)
    if arrives == "after":
        socket.inbox.put_nowait(late)
    await running

    assert [{"type": "websocket.disconnect", "code": 1008, "reason": ""}] == received


async def test_ff_62_a_server_that_refuses_the_code_is_given_a_private_one(here: Installation, guard: Guard) -> None:
    """Where the server takes no 1008 from an application, the socket closes with 4008."""
    app, issued, socket, running = await opened(here, guard)

    async def picky(message: Message) -> None:
        if message["type"] == "websocket.close" and message["code"] < 3000:
            raise RuntimeError("invalid close code 1008")
        await Socket.send(socket, message)

    ((connection,),) = app.runtime.connections._sockets.values()
    assert isinstance(connection, OpenSocket)
    connection._send = picky
    await here.disable(issued)
    await running

    assert 4008 == socket.sent[-1]["code"]
