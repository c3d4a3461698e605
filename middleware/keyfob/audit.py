"""The audit log's hash chain: the MAC of each event covers its number and the MAC of the event before it.

A MAC is HMAC-SHA-256 (RFC 2104) under a key derived from the keyring, which is never in the database. Without the
keyring nobody can change, insert, remove or reorder an event without breaking the chain. Events cut off at the end
leave a valid chain: to detect that, keep the chain's head (``keyfob audit head``) outside the database.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
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
    "key.rotated",
    "key.imported",
    "key.handover_created",
    "key.collected",
    "keys.seeded",
    "team.created",
    "team.plan_changed",
    "team.updated",
    "team.deleted",
    "person.invited",
    "person.joined",
    "person.updated",
    "person.role_set",
    "person.removed",
    "person.offboarded",
    "person.link_created",
    "page_session.created",
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

FIRST_LINK = bytes(32)  # in place of a MAC before the first event


@dataclass(frozen=True, slots=True)
class Event:
    """Who did what to which key or team. *detail* is JSON data, and never holds a secret."""

    at: datetime
    actor_kind: str  # "person", "key", "cli" or "system"
    actor_id: str | None
    actor_name: str
    ip: str | None
    action: str  # one of ACTIONS
    team: str | None
    key_id: str | None
    detail: Mapping[str, object] = field(default_factory=dict)
    person_id: str | None = None  # whom it happened to


@dataclass(frozen=True, slots=True)
class ChainedEvent:
    """An event at its position in the log. *key_char* names the signing key of its MAC."""

    seq: int
    event: Event
    key_char: str
    mac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the log, and its sequence number."""

    seq: int
    what: str


def canonical(value: object) -> str:
    """The canonical JSON text (RFC 8259) of *value*. Raises ValueError or TypeError for anything that is not JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def mac(event: Event, seq: int, previous: bytes, key: bytes) -> bytes:
    """Compute the MAC of *event* as number *seq*, after the event whose MAC is *previous*."""
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
        "person_id": event.person_id,
        "detail": dict(event.detail),
    }
    return hmac.digest(key, b"keyfob/audit/v1\0" + canonical(said).encode("ascii"), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log at some moment: the number of events, and the MAC of the last one."""

    count: int
    mac: bytes

    def __str__(self) -> str:
        """``<count>:<mac>``, as ``keyfob audit head`` prints it."""
        return f"{self.count}:{self.mac.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read what `__str__` wrote. Raises ValueError."""
        match = _HEAD.fullmatch(text.strip())
        if match is None:
            raise ValueError("this must be COUNT:MAC as `keyfob audit head` prints it")
        return cls(int(match[1]), bytes.fromhex(match[2]))


_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})", re.ASCII)


class ChainVerifier:
    """Checks a log event by event, oldest first, and keeps only the link that it has reached."""

    def __init__(self, keys: Mapping[str, bytes], *kept: Head) -> None:
        """*keys* maps key characters to MAC keys; *kept* are heads that the log must contain."""
        self._keys = keys
        self._link = _Link()
        self._kept: dict[int, list[Head]] = {}
        for head in kept:
            if head.count > 0:
                self._kept.setdefault(head.count, []).append(head)

    @property
    def reached(self) -> Head:
        """The last event that was checked."""
        return Head(self._link.seq, self._link.mac)

    def faults_of(self, chained: ChainedEvent) -> Iterator[Fault]:
        """Check the next event."""
        fault = self._link.fault_of(chained, self._keys)
        if fault:
            yield Fault(chained.seq, fault)
        if any(not hmac.compare_digest(head.mac, chained.mac) for head in self._kept.pop(chained.seq, ())):
            yield Fault(chained.seq, "not the event that the log ended with when its head was read")
        self._link = _Link(chained.seq, chained.mac)

    def faults_at_end(self, *, count: int, head: bytes) -> Iterator[Fault]:
        """Check, after the last event, that the log has *count* events and ends with the MAC *head*."""
        if self._link.seq < count:
            yield Fault(self._link.seq + 1, f"cut off: events {self._link.seq + 1} to {count} are missing")
        elif self._link.seq == count and not hmac.compare_digest(self._link.mac, head):
            yield Fault(self._link.seq, "not the event that the log ends with")
        for kept in sorted(self._kept):
            if kept > count:
                yield Fault(kept, "gone: the log ended with this event when its head was read")


def verify_chain(
    events: Iterable[ChainedEvent], *, count: int, head: bytes, keys: Mapping[str, bytes]
) -> Iterator[Fault]:
    """Find every place where the log differs from what was written.

    Args:
        events: the whole log, oldest first.
        count: the expected number of events.
        head: the expected MAC of the last event.
        keys: MAC keys by key character.
    """
    verifier = ChainVerifier(keys)
    for chained in events:
        if chained.seq > count:
            yield Fault(chained.seq, BEHIND_END)
        else:
            yield from verifier.faults_of(chained)
    yield from verifier.faults_at_end(count=count, head=head)


BEHIND_END = "appended behind the log's end"


@dataclass(frozen=True, slots=True)
class _Link:
    """The position in the chain that has been reached."""

    seq: int = 0
    mac: bytes = FIRST_LINK

    def fault_of(self, chained: ChainedEvent, keys: Mapping[str, bytes]) -> str | None:
        if chained.seq <= self.seq:
            return "out of order"
        if chained.seq != self.seq + 1:
            return f"removed: events {self.seq + 1} to {chained.seq - 1} are missing"
        key = keys.get(chained.key_char)
        if key is None:
            return f"MACed under {chained.key_char!r}, which is not in the keyring"
        if not hmac.compare_digest(mac(chained.event, chained.seq, self.mac, key), chained.mac):
            return "changed, replaced or moved"
        return None
