"""The link with which the secret of a pending key is made: what its recipient gets, and what is stored of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.errors import Invalid
from keyfob.keyring.tokens import row_mac, token_digest
from keyfob.policy.lifetimes import HOW, read_length
from keyfob.store.contract.handovers import Handover

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.store.contract.handovers import HandoverTable
    from keyfob.store.contract.transaction import Transaction

DEFAULT_EXPIRY = "72h"
SHORTEST, LONGEST = timedelta(minutes=10), timedelta(days=30)
PURPOSE = "handover"


@dataclass(frozen=True, slots=True)
class HandoverLink:
    """What the recipient gets: the *token* of a link, shown once and stored nowhere."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """A link that is about to be saved for a pending key."""

    token: str = field(repr=False)
    entry: SigningKey = field(repr=False)
    lasts: timedelta
    table: HandoverTable

    def ends(self, at: datetime) -> datetime:
        """When the link ends that is saved at *at*."""
        return at + self.lasts

    def link(self, record: KeyRecord) -> HandoverLink | None:
        """The link to the pending key *record*."""
        return None if record.pending_until is None else HandoverLink(self.token, record.pending_until)

    async def save(self, rows: Transaction, record: KeyRecord, maker: Actor, at: datetime) -> None:
        """Save the link to *record*, and void the links before it."""
        digest = token_digest(self.entry, PURPOSE, self.token)
        made = Handover(digest, record.id, maker.as_creator(), at, self.ends(at))
        await self.table.add(rows, replace(made, mac=mac_of(self.entry, made)))


def read_expiry(text: object, *, pointer: str = "/handover/expires_in") -> timedelta:
    """Read how long a link works: ``"10min"`` to ``"30d"``. Raises Invalid."""
    try:
        length = read_length(text)
    except ValueError:
        raise Invalid((pointer, f"A link's lifetime must be {HOW}")) from None
    if not SHORTEST <= length <= LONGEST:
        raise Invalid((pointer, "A link can work for 10 minutes to 30 days"))
    return length


def mac_of(entry: SigningKey, handover: Handover) -> bytes:
    """The MAC over the row of *handover*."""
    by = handover.made_by
    row = handover.token_digest.hex(), handover.key_id, by.kind, by.id, by.name
    return row_mac(entry, "handover row", *row, handover.created_at, handover.expires_at)
