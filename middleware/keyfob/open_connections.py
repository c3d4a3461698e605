"""WebSockets and long responses that go on after they were admitted: they end when their key falls.

A response is registered with its first part that is not its last, so that an ordinary request pays for no registry.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from keyfob.proofs import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from keyfob.gate import Gate
    from keyfob.record import KeyRecord
    from keyfob.verdict import Granted

log = logging.getLogger("keyfob")

_POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1


class KeyFellError(ConnectionError):
    """The application sends on a connection whose key is no longer good (an OSError, as ASGI asks for)."""


class Connection(ABC):
    """Something open that a key was admitted for: which key, by which gate, to do what."""

    # Set when it happens, so that an ordinary request, for which nothing happens, pays for nothing.
    _has_fallen = False
    _is_watched = False
    _send: Send

    def __init__(self, connections: OpenConnections, gate: Gate, granted: Granted, scope: Scope) -> None:
        """*scope* is the connection's own."""
        self._connections = connections
        self._gate = gate
        self._scope = scope
        self._asked = dict(scope)  # routers inside write into the scope; a second judgement has to see the first one's
        self._granted = granted

    @property
    def key_id(self) -> str:
        """The key's id."""
        return self._granted.grant.key_id

    @property
    def ring_char(self) -> str:
        """The ring character of the key."""
        return self._granted.ring_char

    def has_run_out(self, now: float) -> bool:
        """Whether the key is past its expiry at *now* (seconds since the epoch)."""
        expires_at = self._granted.grant.expires_at
        return expires_at is not None and expires_at.timestamp() <= now

    def survives(self, record: KeyRecord, now: float, *, suspended: bool) -> bool:
        """Whether the key, as *record* has it now, still allows the connection."""
        entry = Entry(b"", record, ring_char=self.ring_char, suspended=suspended, as_of=record.revision)
        self._granted = entry.granted
        return self._gate.still_admits(entry, self._asked, now)

    @abstractmethod
    def fall(self) -> None:
        """End it, because its key no longer allows it."""


class OpenConnections:
    """All that is open in this process, by key id."""

    def __init__(self, suspends: Callable[[str, str], bool]) -> None:
        """*suspends* says whether a plan lacks a key type."""
        self._suspends = suspends
        self._by_key: dict[str, set[Connection]] = {}

    def add(self, connection: Connection) -> None:
        """Watch *connection* from now on."""
        self._by_key.setdefault(connection.key_id, set()).add(connection)

    def remove(self, connection: Connection) -> None:
        """It ended by itself."""
        of_key = self._by_key.get(connection.key_id)
        if of_key is not None:
            of_key.discard(connection)
            if not of_key:
                del self._by_key[connection.key_id]

    def open_keys(self) -> frozenset[str]:
        """The ids of the keys that something is open for."""
        return frozenset(self._by_key)

    def review_changed(self, records: Iterable[KeyRecord], now: float) -> None:
        """End what the keys in *records* no longer allow, at *now* (seconds since the epoch)."""
        for record in records:
            for connection in list(self._by_key.get(record.id, ())):
                suspended = self._suspends(record.plan, record.key_type)
                if not connection.survives(record, now, suspended=suspended):
                    self._end(connection)

    def review_all(self, now: float, is_retired: Callable[[str], bool]) -> None:
        """End what has run out by *now*, and what a retired ring character stood behind."""
        for connection in [connection for of_key in self._by_key.values() for connection in of_key]:
            if connection.has_run_out(now) or is_retired(connection.ring_char):
                self._end(connection)

    def end_key(self, key_id: str) -> None:
        """End everything that is open for a key that is no more."""
        for connection in list(self._by_key.get(key_id, ())):
            self._end(connection)

    def _end(self, connection: Connection) -> None:
        log.info("closing a connection of key %s, which no longer allows it", connection.key_id)
        self.remove(connection)
        connection.fall()


class OpenResponse(Connection):
    """One HTTP response. When its key falls it is cut off, never ended as if it were complete."""

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Let *app* answer. *receive* and *send* are the server's."""
        self._send = send
        self._task = asyncio.current_task()
        try:
            await app(self._scope, receive, self.send)
        except asyncio.CancelledError:
            if not self._has_fallen or self._task is None:
                raise
            # Returning without a last part makes the server cut the connection.
            self._task.uncancel()
        except Exception:
            if not self._has_fallen:
                raise
        finally:
            if self._is_watched:
                self._connections.remove(self)

    async def send(self, message: Message) -> None:
        """Pass *message* on, and be watched from the first part that is not the last."""
        if self._has_fallen:
            msg = "the key of this response is no longer good"
            raise KeyFellError(msg)
        if not self._is_watched and message.get("more_body"):
            self._is_watched = True
            self._connections.add(self)
        await self._send(message)

    def fall(self) -> None:
        """Stop the application where it waits."""
        self._has_fallen = True
        if self._task is not None:
            self._task.cancel()


class OpenSocket(Connection):
    """One WebSocket. When its key falls it is closed with 1008."""

    _closing: asyncio.Task[None] | None = None

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Let *app* talk. *receive* and *send* are the server's."""
        self._receive = receive
        self._send = send
        self._connections.add(self)
        try:
            await app(self._scope, self.receive, self.send)
        except Exception:
            if not self._has_fallen:
                raise
        finally:
            self._connections.remove(self)
            if self._closing is not None:
                await self._closing

    async def receive(self) -> Message:
        """The next message, or that the socket is closed."""
        if self._has_fallen:
            return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION, "reason": ""}
        return await self._receive()

    async def send(self, message: Message) -> None:
        """Pass *message* on while the key is good."""
        if self._has_fallen:
            msg = "the key of this WebSocket is no longer good"
            raise KeyFellError(msg)
        await self._send(message)

    def fall(self) -> None:
        """Close the socket; the server tells the application."""
        self._has_fallen = True
        self._closing = asyncio.create_task(self._close())

    async def _close(self) -> None:
        try:
            await self._send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
        except Exception as gone:  # noqa: BLE001 - each server has its own way to say that the client left already
            log.debug("the WebSocket had ended already: %r", gone)
