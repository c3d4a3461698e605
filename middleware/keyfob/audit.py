"""The audit log's chain: each event is sealed together with its number and the MAC of the event before.

A MAC is HMAC-SHA-256 (RFC 2104) under a key derived from the keyring, which is never in the database. Who can
write the database but lacks the keyring cannot change, insert or reorder an event unnoticed, nor cut off the end
while the count and head kept elsewhere (``keyfob audit verify`` prints them) are known.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

ACTIONS = (
    "key.created",
    "key.duplicated",
    "key.updated",
    "key.disabled",
    "key.enabled",
    "key.deleted",
    "key.replaced",
    "keys.seeded",
    "team.created",
    "team.plan_changed",
    "team.updated",
    "console.link_created",
    "console.signed_in",
    "console.signed_out",
    "keyring.added",
    "keyring.activated",
    "keyring.retired",
    "keyring.lost",
    "db.restored",
    "installation.created",
)

FIRST_LINK = bytes(32)  # what the first event has for "the MAC before"


@dataclass(frozen=True, slots=True)
class Event:
    """Who did what to which key or team. *detail* holds only what JSON can say, and never a secret."""

    at: datetime
    actor_kind: str  # "key", "cli" or "system"
    actor_id: str | None
    actor_name: str
    ip: str | None
    action: str  # one of ACTIONS
    team: str | None
    key_id: str | None
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainedEvent:
    """An event in its place in the log. *key_char* says whose key sealed it."""

    seq: int
    event: Event
    key_char: str
    mac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the log, and at which sequence number."""

    seq: int
    what: str


def canonical(value: object) -> str:
    """The one JSON text (RFC 8259) of *value*. Raises ValueError or TypeError for what JSON cannot say."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def mac(event: Event, seq: int, previous: bytes, key: bytes) -> bytes:
    """Seal *event* as number *seq* behind the event whose MAC is *previous*."""
    said = {
        "seq": seq,
        "previous": previous.hex(),
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor_kind": event.actor_kind,
        "actor_id": event.actor_id,
        "actor_name": event.actor_name,
        "ip": event.ip,
        "action": event.action,
        "team": event.team,
        "key_id": event.key_id,
        "detail": dict(event.detail),
    }
    return hmac.digest(key, b"keyfob/audit/v1\0" + canonical(said).encode("ascii"), hashlib.sha256)


def verify_chain(
    events: Iterable[ChainedEvent], *, count: int, head: bytes, keys: Mapping[str, bytes]
) -> Iterator[Fault]:
    """Find every place where the log is not what was written.

    Args:
        events: the whole log, oldest first.
        count: how many events there should be.
        head: the MAC that the last of them should have.
        keys: key character → the key that it MACs with.
    """
    link = _Link()
    for chained in events:
        fault = link.fault_of(chained, keys) if chained.seq <= count else "appended behind the log's end"
        if fault:
            yield Fault(chained.seq, fault)
        link = _Link(chained.seq, chained.mac)
    if link.seq < count:
        yield Fault(link.seq + 1, f"cut off: events {link.seq + 1} to {count} are missing")
    elif link.seq == count and not hmac.compare_digest(link.mac, head):
        yield Fault(link.seq, "not the event that the log ends with")


@dataclass(frozen=True, slots=True)
class _Link:
    """The place in the chain that has been reached."""

    seq: int = 0
    mac: bytes = FIRST_LINK

    def fault_of(self, chained: ChainedEvent, keys: Mapping[str, bytes]) -> str | None:
        if chained.seq <= self.seq:
            return "out of order"
        if chained.seq != self.seq + 1:
            return f"removed: events {self.seq + 1} to {chained.seq - 1} are missing"
        key = keys.get(chained.key_char)
        if key is None:
            return f"sealed under {chained.key_char!r}, which is not in the keyring"
        if not hmac.compare_digest(mac(chained.event, chained.seq, self.mac, key), chained.mac):
            return "changed, replaced or moved"
        return None
