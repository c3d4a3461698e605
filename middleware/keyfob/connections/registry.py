"""Every connection that a key was admitted for, so that it ends when its key is revoked.

A connection is registered in the same step of the event loop in which the gate admitted it. So no change can be merged
in between and be missed.
"""

from __future__ import annotations

import asyncio
import logging
from threading import get_ident
from typing import TYPE_CHECKING

from keyfob.connections.connection import TRY_AGAIN_LATER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    from keyfob.connections.connection import Connection
    from keyfob.keys.record import KeyRecord

log = logging.getLogger("keyfob")


class OpenConnections:
    """All that is open in this process: WebSockets by key id, and responses, most of which last an instant."""

    def __init__(self, suspends: Callable[[str, str], bool], begin_elsewhere: Callable[[], None]) -> None:
        """Know nothing yet.

        Args:
            suspends: whether a plan lacks a key type.
            begin_elsewhere: is called for a request that is answered in another event loop than usual.
        """
        self._suspends = suspends
        self._begin_elsewhere = begin_elsewhere
        self.loop: asyncio.AbstractEventLoop | None = None  # in which nearly all requests are answered
        self.thread = 0  # that this loop runs in; 0 while there is none
        self.responses: set[Connection] = set()
        self._sockets: dict[str, set[Connection]] = {}

    def serve_in(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Nearly all requests are answered in *loop*, which runs in this thread."""
        self.loop, self.thread = loop, 0 if loop is None else get_ident()

    def other_task(self) -> asyncio.Task[object] | None:
        """The running task, of another event loop than usual."""
        self._begin_elsewhere()
        return asyncio.current_task()

    def add(self, socket: Connection) -> None:
        """Watch *socket* from now on."""
        self._sockets.setdefault(socket.key_id, set()).add(socket)

    def remove(self, socket: Connection) -> None:
        """It ended by itself."""
        of_key = self._sockets.get(socket.key_id)
        if of_key is not None:
            of_key.discard(socket)
            if not of_key:
                del self._sockets[socket.key_id]

    def open_keys(self) -> frozenset[str]:
        """The ids of the keys that something is open for."""
        return frozenset((*self._sockets, *(response.key_id for response in list(self.responses))))

    def review_changed(self, records: Iterable[KeyRecord], now: float) -> None:
        """End what the keys in *records* no longer allow, at *now* (seconds since the epoch)."""
        changed = {record.id: record for record in records}
        for connection in self._of_keys(changed.keys()):
            record = changed[connection.key_id]
            if not connection.survives(record, now, suspended=self._suspends(record.plan, record.key_type)):
                self._end(connection)

    def review_all(self, now: float, is_retired: Callable[[str], bool]) -> None:
        """End what has expired by *now*, and what a retired signing key stood behind."""
        for connection in self._all():
            if connection.has_expired(now) or is_retired(connection.key_char):
                self._end(connection)

    def end_key(self, key_id: str) -> None:
        """End everything that is open for a key that no longer exists."""
        for connection in self._of_keys({key_id}):
            self._end(connection)

    def end_all(self) -> None:
        """End everything, because nobody can tell which keys are still good."""
        all_open = self._all()
        log.warning(
            "the store cannot tell whether keys are still good: closing %d connections",
            len(all_open),
            extra={"event": "connections_closed"},
        )
        for connection in all_open:
            self._forget(connection)
            connection.revoke(TRY_AGAIN_LATER)

    def _all(self) -> list[Connection]:
        # Copies, because other threads may answer requests at the same time.
        return [*(socket for of_key in list(self._sockets.values()) for socket in list(of_key)), *list(self.responses)]

    def _of_keys(self, key_ids: AbstractSet[str]) -> list[Connection]:
        sockets = [socket for key_id in key_ids for socket in list(self._sockets.get(key_id, ()))]
        responses = list(self.responses) if key_ids else ()
        return [*sockets, *(response for response in responses if response.key_id in key_ids)]

    def _forget(self, connection: Connection) -> None:
        self.remove(connection)
        self.responses.discard(connection)

    def _end(self, connection: Connection) -> None:
        log.info(
            "closing a connection of key %s, which no longer allows it",
            connection.key_id,
            extra={"event": "connection_closed"},
        )
        self._forget(connection)
        connection.revoke()
