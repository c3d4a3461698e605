"""Something open that a key was admitted for, and that ends when the key no longer allows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from keyfob.gate.decision import judge
from keyfob.gate.key_cache import Entry
from keyfob.gate.verdict import Granted

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.rules.table import Match

POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
TRY_AGAIN_LATER: Final = 1013  # of the registry that section 11.7 makes


class KeyRevokedError(ConnectionError):
    """The application sends on a connection whose key is no longer good (an OSError, as ASGI asks for)."""


class Connection(ABC):
    """Something open that a key was admitted for: which key, from where, to do what."""

    is_revoked = False
    _why = POLICY_VIOLATION

    def __init__(self, granted: Granted, match: Match | None, address: str | None) -> None:
        """Take what the gate judged. Not the scope: routers inside write into it."""
        self._granted = granted
        self._match = match
        self._address = address

    @property
    def key_id(self) -> str:
        """The key's id."""
        return self._granted.grant.key_id

    @property
    def key_char(self) -> str:
        """The key character of the key."""
        return self._granted.key_char

    def has_run_out(self, now: float) -> bool:
        """Whether the key is past its expiry at *now* (seconds since the epoch)."""
        expires_at = self._granted.grant.expires_at
        return expires_at is not None and expires_at.timestamp() <= now

    def survives(self, record: KeyRecord, now: float, *, suspended: bool) -> bool:
        """Whether the key, as *record* has it now, still allows the connection."""
        entry = Entry(b"", record, key_char=self.key_char, suspended=suspended, as_of=record.revision)
        self._granted = entry.granted
        return type(judge(entry, self._match, self._address, now)) is Granted

    def revoke(self, why: int = POLICY_VIOLATION) -> None:
        """End it: its key no longer allows it, or *why*, a WebSocket's status code, says otherwise."""
        self.is_revoked = True
        self._why = why
        self._cut()

    @abstractmethod
    def _cut(self) -> None:
        """Let the client know."""
