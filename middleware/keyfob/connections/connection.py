"""An HTTP response or a WebSocket that a key was admitted for, and that ends when the key no longer allows it.

Both end the way they do when a client leaves, because that is what frameworks are prepared for: a pending or later
`receive` returns the disconnect, and `send` raises an OSError (ASGI HTTP specification 2.4).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from keyfob.gate.decision import judge
from keyfob.gate.known_key import Entry
from keyfob.gate.verdict import Granted

if TYPE_CHECKING:
    from starlette.types import Message, Receive

    from keyfob.keys.record import KeyRecord
    from keyfob.rules.table import Match

POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
TRY_AGAIN_LATER: Final = 1013  # of the registry that section 11.7 makes


Admitted = tuple[Granted, "Match | None", "str | None"]
"""What the gate judged: the key, the rule, and the client's address. Not the scope: routers inside write into it."""


class KeyRevokedError(ConnectionError):
    """The key of a connection was revoked while it was open. An OSError, as ASGI demands of a closed connection."""


class Connection(ABC):
    """One admitted connection: which key, from where, and for which rule."""

    is_revoked = False
    _close_code = POLICY_VIOLATION
    _receiver: asyncio.Task[object] | None = None  # the task that waits for a message of the client
    _admitted: Admitted
    _task: asyncio.Task[object] | None  # that the application runs in

    @property
    def key_id(self) -> str:
        """The key's id."""
        return self._admitted[0].grant.key_id

    @property
    def key_char(self) -> str:
        """The id of the signing key behind the key."""
        return self._admitted[0].key_char

    def has_expired(self, now: float) -> bool:
        """Whether the key is past its expiry at *now* (seconds since the epoch)."""
        expires_at = self._admitted[0].grant.expires_at
        return expires_at is not None and expires_at.timestamp() <= now

    def survives(self, record: KeyRecord, now: float, *, suspended: bool) -> bool:
        """Whether the key, as *record* describes it now, still allows the connection."""
        entry = Entry(b"", record, key_char=self.key_char, suspended=suspended, as_of=record.revision)
        _, match, address = self._admitted
        self._admitted = entry.granted, match, address
        return type(judge(entry, match, address, now)) is Granted

    def revoke(self, code: int = POLICY_VIOLATION) -> None:
        """End it; a WebSocket closes with *code*. May be called from another event loop than its own."""
        self.is_revoked = True
        self._close_code = code
        loop = None if self._task is None else self._task.get_loop()
        if loop is None or loop is asyncio.get_running_loop():
            self._end()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(self._end)

    @abstractmethod
    def _end(self) -> None:
        """Begin to end it. Runs in its own event loop."""

    async def _next(self, receive: Receive) -> Message | None:
        """The client's next message, or None if `_interrupt` came first."""
        self._receiver = receiver = asyncio.current_task()
        try:
            return await receive()
        except asyncio.CancelledError:
            # Ours is recognised by the field that `_interrupt` cleared. Any other cancellation goes on.
            if self._receiver is receiver or receiver is None or receiver.uncancel() > 0:
                raise
            return None
        finally:
            self._receiver = None

    def _interrupt(self) -> None:
        """Let a pending `_next` return."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.cancel()
