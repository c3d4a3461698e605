"""WebSockets and long responses that go on after they were admitted: they end when their key is revoked.

A response is registered with its first part that is not its last, so that an ordinary request pays for no registry.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from keyfob.connections.connection import TRY_AGAIN_LATER, Connection, KeyRevokedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.types import Message, Send

    from keyfob.gate.verdict import Granted
    from keyfob.keys.record import KeyRecord
    from keyfob.rules.table import Match

log = logging.getLogger("keyfob")


class OpenConnections:
    """All that is open in this process, by key id."""

    def __init__(self, suspends: Callable[[str, str], bool]) -> None:
        """*suspends* says whether a plan lacks a key type."""
        self._suspends = suspends
        self.loop: asyncio.AbstractEventLoop | None = None  # in which nearly all requests are answered
        self._by_key: dict[str, set[Connection]] = {}
        self.responses: dict[Send, OpenResponse] = {}  # by the server's send, each request's own

    def watch(self, send: Send, granted: Granted, match: Match | None, address: str | None) -> Send:
        """Return what an application may send with in place of *send*, until that is given to `release`.

        From the first part that is not the last the response is open, and ends when its key is revoked. A part that is
        both is only passed on.
        """
        # Asked of a loop that is known: to find out which one is running takes a system call before CPython 3.12.
        task = asyncio.current_task(self.loop) or asyncio.current_task()
        response: OpenResponse | None = None

        def passing(message: Message) -> Awaitable[None]:
            nonlocal response
            if response is None:
                if not message.get("more_body"):
                    return send(message)
                response = self.responses[send] = OpenResponse(send, _running(task), granted, match, address)
                self.add(response)
            return response.send(message)

        return passing

    def was_cut_off(self, send: Send, broken: BaseException) -> bool:
        """Whether *broken* is how the application of a response took it that its key was revoked."""
        response = self.responses.get(send)
        return response is not None and response.explains(broken)

    def release(self, send: Send) -> None:
        """The application has returned."""
        response = self.responses.pop(send, None)
        if response is not None:
            self.remove(response)

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
        """End what has run out by *now*, and what a retired key character stood behind."""
        for connection in [connection for of_key in self._by_key.values() for connection in of_key]:
            if connection.has_run_out(now) or is_retired(connection.key_char):
                self._end(connection)

    def end_key(self, key_id: str) -> None:
        """End everything that is open for a key that is no more."""
        for connection in list(self._by_key.get(key_id, ())):
            self._end(connection)

    def end_all(self) -> None:
        """End everything, because nobody can say which keys are still good."""
        all_open = [connection for of_key in self._by_key.values() for connection in of_key]
        log.warning("the store does not say whether keys are still good: closing %d connections", len(all_open))
        for connection in all_open:
            self.remove(connection)
            connection.revoke(TRY_AGAIN_LATER)

    def _end(self, connection: Connection) -> None:
        log.info("closing a connection of key %s, which no longer allows it", connection.key_id)
        self.remove(connection)
        connection.revoke()


class OpenResponse(Connection):
    """One HTTP response under way. When its key is revoked it is cut off, never ended as if it were complete."""

    def __init__(
        self,
        send: Send,
        task: asyncio.Task[object] | None,
        granted: Granted,
        match: Match | None,
        address: str | None,
    ) -> None:
        """*send* is the server's, *task* the one that the application runs in."""
        super().__init__(granted, match, address)
        self._send = send
        self._task = task

    async def send(self, message: Message) -> None:
        """Pass *message* on while the key is good."""
        if self.is_revoked:
            msg = "the key of this response is no longer good"
            raise KeyRevokedError(msg)
        await self._send(message)

    def _cut(self) -> None:
        """Stop the application where it waits."""
        if self._task is not None:
            self._task.cancel()

    def explains(self, broken: BaseException) -> bool:
        """Whether *broken* is the end that `fall` brought. Returning without a last part makes the server cut off."""
        if not self.is_revoked or not isinstance(broken, Exception | asyncio.CancelledError):
            return False
        if self._task is not None and isinstance(broken, asyncio.CancelledError):
            self._task.uncancel()
        return True


def _running(task: asyncio.Task[object] | None) -> asyncio.Task[object] | None:
    """Return *task*, or the one that is running if the other belongs to the event loop of another thread."""
    is_here = task is not None and task.get_loop() is asyncio.get_running_loop()
    return task if is_here else asyncio.current_task()
