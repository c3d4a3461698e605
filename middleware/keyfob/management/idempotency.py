"""Does what a request asks only once, however often it arrives (the Idempotency-Key header).

The record commits in the same transaction as what was done, so neither exists without the other.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.errors import IdempotencyInProgress, IdempotencyMismatch, Invalid
from keyfob.store.contract.idempotency import IdempotencyRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from keyfob.store.contract.transaction import Transaction

KEPT = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Identifies a repeated request: *scope* names the request, *body_digest* its content."""

    scope: str
    body_digest: bytes

    @classmethod
    def of(cls, key: str, *, caller: str, method: str, path: str, body: bytes) -> IdempotencyKey:
        """Scope *key* to the calling key's id, the method and the path.

        Raises:
            Invalid: *key* is not 1–255 visible ASCII characters.
        """
        if not _KEY.match(key):
            raise Invalid(("/Idempotency-Key", "This must be 1 to 255 visible ASCII characters"))
        scope = f"{caller}\n{method.upper()}\n{path}\n{key}"  # none of the first three holds a line break
        return cls(hashlib.sha256(scope.encode()).hexdigest(), hashlib.sha256(body).digest())

    def answered_by(self, earlier: IdempotencyRecord | None, now: datetime) -> str | None:
        """Return the id of the key that this request has created or changed already, or None if it must do so.

        Raises:
            IdempotencyMismatch: *earlier* was a different request.
        """
        if earlier is None or earlier.at <= now - KEPT:
            return None
        if earlier.body_digest != self.body_digest:
            raise IdempotencyMismatch("this Idempotency-Key was used for a request with another body")
        return earlier.key_id


class UnderWay:
    """The requests that this process is handling. Between processes the transaction decides."""

    def __init__(self) -> None:
        self._scopes: set[str] = set()

    @contextmanager
    def claim(self, key: IdempotencyKey | None) -> Iterator[None]:
        """Handle *key* exclusively. Without a key nothing is claimed.

        Raises:
            IdempotencyInProgress: another request with this key is running.
        """
        if key is None:
            yield
            return
        if key.scope in self._scopes:
            raise IdempotencyInProgress("the first request with this Idempotency-Key is still under way")
        self._scopes.add(key.scope)
        try:
            yield
        finally:
            self._scopes.discard(key.scope)


class Once:
    """One change to a key that was asked for under an Idempotency-Key, or under none."""

    def __init__(self, key: IdempotencyKey | None) -> None:
        self._key = key
        self.replayed = False  # whether it was found to be made already

    async def was_made(self, rows: Transaction, at: datetime) -> bool:
        """Whether the change is made already. Raises IdempotencyMismatch."""
        if self._key is not None:
            earlier = await rows.idempotency_record(self._key.scope)
            self.replayed = self._key.answered_by(earlier, at) is not None
        return self.replayed

    async def save(self, rows: Transaction, key_id: str, at: datetime) -> None:
        """Save that the change is made to the key *key_id*."""
        if self._key is not None:
            await rows.save_idempotency_record(self._key.scope, IdempotencyRecord(self._key.body_digest, key_id, at))
