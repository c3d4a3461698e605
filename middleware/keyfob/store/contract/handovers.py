"""The links that hand keys over: each makes the secret of one pending key, once.

A link's token is a secret. The store only gets its HMAC under the keyring. Each row carries a MAC over its contents, so
that nobody who lacks the keyring can give a row to another key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keys.record import Creator
    from keyfob.store.contract.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Handover:
    """A link to the secret of *key_id*. What *made_by* may grant is checked again when it is collected."""

    token_digest: bytes = field(repr=False)
    key_id: str
    made_by: Creator
    created_at: datetime
    expires_at: datetime
    mac: bytes = field(default=b"", repr=False)
    collected_at: datetime | None = None
    collected_ip: str | None = None


class HandoverTable(Protocol):
    """The part of a store that keeps handover links. Every method may raise StoreUnavailable."""

    async def find(self, token_digest: bytes) -> Handover | None:
        """Read a link, collected, expired or not."""
        ...

    async def add(self, rows: Transaction, handover: Handover) -> None:
        """Save a link, and void the key's earlier ones."""
        ...

    async def collect(self, rows: Transaction, token_digest: bytes, at: datetime, ip: str | None) -> bool:
        """Mark the link as collected. False if it was collected before, has expired or does not exist."""
        ...
