"""The contract of a store. The engines beside this folder are interchangeable and do not know each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from datetime import date

    from keyfob.audit import ChainedEvent
    from keyfob.keyring.states import SigningKeyRecord
    from keyfob.keys.record import KeyRecord, LastUse, StoredSecret, Team
    from keyfob.store.contract.audited import AuditedStore
    from keyfob.store.contract.counter import Counter
    from keyfob.store.contract.foreign import ForeignTable
    from keyfob.store.contract.handovers import HandoverTable
    from keyfob.store.contract.idempotency import IdempotencyRecord
    from keyfob.store.contract.notices import NoticeTable
    from keyfob.store.contract.people import PeopleTable
    from keyfob.store.contract.quotas import QuotaTable
    from keyfob.store.contract.refusals import RefusalTable
    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.contract.use_details import Details, Hours, UseDetailTable
    from keyfob.store.contract.workers import WorkerList

T = TypeVar("T")

NEVER = 2**63 - 1  # where a key that never expires stands among expiries
TEAM_OWNER = "team"  # in place of a person's id, which is never so short
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """A key row, or None, with the revision and epoch of the snapshot in which it was read."""

    record: KeyRecord | None
    secret: StoredSecret | None
    revision: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes after a revision, tombstones included, read in one snapshot."""

    revision: int
    epoch: str
    records: tuple[KeyRecord, ...]
    keyring: tuple[SigningKeyRecord, ...]
    too_many: bool = False  # too many keys changed to read them: drop every cached key
    requested_revision: int = 0  # the revision that workers are asked to acknowledge


@dataclass(slots=True)
class Use:
    """The usage of one key in one flush. Days are UTC; the counts are increments."""

    last_at: datetime | None = None
    ip: str | None = None
    admitted: dict[date, int] = field(default_factory=dict)
    denied: dict[date, int] = field(default_factory=dict)
    details: Details = field(default_factory=dict)
    limited: dict[date, int] = field(default_factory=dict)
    hours: Hours = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UseDay:
    """The usage of one key on one day."""

    day: date
    admitted: int
    denied: int
    limited: int = 0

    @property
    def refused(self) -> int:
        """Requests that did not pass."""
        return self.denied + self.limited

    @property
    def total(self) -> int:
        """All requests, whatever their outcome."""
        return self.admitted + self.denied + self.limited


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key with its last use, for people."""

    record: KeyRecord
    last_used: LastUse | None

    def place(self, order_by: str) -> tuple[str | int, str]:
        """The key's position in a listing by *order_by*: pass it as `KeyQuery.after` to read the next keys."""
        if order_by == "name":
            return self.record.name.casefold(), self.record.id
        if order_by == "expires_at":
            return _micros(self.record.expires_at) if self.record.expires_at else NEVER, self.record.id
        if order_by == "last_used_at":
            return _micros(self.last_used.at) if self.last_used else 0, self.record.id
        return _micros(self.record.created_at), self.record.id


def _micros(moment: datetime) -> int:
    """Whole microseconds since 1970-01-01 UTC, by which both engines sort."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Which keys to list, and where to start. *after* is (sort value, id) of the last row already seen."""

    team: str | None
    now: datetime
    q: str | None = None  # matched literally in name (any case) and id
    state: str | None = None
    key_type: str | None = None
    permission: str | None = None  # keys that hold exactly this entry
    unused_since: datetime | None = None  # keys made after it are left out
    order_by: str = "created_at"  # or "name", "last_used_at", "expires_at"
    descending: bool = False
    limit: int = 50
    after: tuple[str | int | None, str] | None = None
    suspended_types: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by plan, what it lacks: for states
    expires_before: datetime | None = None
    expires_after: datetime | None = None  # a key that never expires does so after any time
    created_by: str | None = None  # the id of who made it
    external_id: str | None = None
    owner: str | None = None  # the id of a person, or `TEAM_OWNER`
    never_used: bool = False
    ids: Sequence[str] | None = None  # only these
    replaced: bool | None = None  # whether another key took its place
    without_type: str | None = None  # keys of this type are left out
    words: Sequence[str] = ()  # each in the name, the id, or what else describes the key or its owner
    left_owners: Sequence[str] | None = None  # owner has no role in the team, nor one of these, or has left


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which audit events to read, newest first unless *oldest_first*. *bound* is the last sequence seen."""

    team: str | None = None
    key: str | None = None
    actor: str | None = None  # the id or the name
    action: str | None = None
    since: datetime | None = None
    person: str | None = None  # whom it happened to
    owner: str | None = None  # only what happened to keys that this person owns
    without_type: str | None = None  # what happened to keys of this type is left out
    limit: int = 50
    bound: int | None = None
    oldest_first: bool = False


class KeyLookup(Protocol):
    """The part of a store that the hot path needs, only for keys that are not cached."""

    async def find(self, key_id: str) -> Found:
        """Read one key and the revision in one snapshot. Raises StoreUnavailable."""
        ...

    async def save_digest(self, key_id: str, checked_hash: str, secret: StoredSecret) -> None:
        """Store *secret* if the key still has *checked_hash* and is not deleted; one statement."""
        ...


class ChangeFeed(Protocol):
    """The part of a store that freshness needs."""

    @property
    def change_signal(self) -> Counter:
        """``change_signal.read()`` differs from before after every change on this host."""
        ...

    async def changes(self, since: int | None) -> Changes:
        """Read all changes after *since* in one snapshot; None reads only the revision.

        Also checks that the open files are still the current ones, and reopens them if not.
        """
        ...


class UsageSink(Protocol):
    """The part of a store that usage needs."""

    async def add_usage(self, uses: Mapping[str, Use]) -> None:
        """Write a batch in one transaction. Last use never moves back; no row of ``keys`` is touched."""
        ...

    @property
    def refusals(self) -> RefusalTable:
        """Where refused requests are kept for an hour."""
        ...

    @property
    def use_details(self) -> UseDetailTable:
        """By which rules and from which addresses keys were used."""
        ...


class KeyStore(KeyLookup, ChangeFeed, UsageSink, Protocol):
    """A complete store. Every method may raise StoreUnavailable."""

    @property
    def is_immediate(self) -> bool:
        """Whether `change` publishes to all readers of this process's signal (`workers` lists them)."""
        ...

    @property
    def workers(self) -> WorkerList:
        """The processes that answer requests."""
        ...

    @property
    def foreign(self) -> ForeignTable:
        """What keys of another product are found by."""
        ...

    @property
    def handovers(self) -> HandoverTable:
        """The links with which the secrets of pending keys are made."""
        ...

    @property
    def people(self) -> PeopleTable:
        """People and their memberships."""
        ...

    @property
    def notices(self) -> NoticeTable:
        """What is to be told to webhooks and people."""
        ...

    @property
    def quotas(self) -> QuotaTable:
        """What was used of quotas."""
        ...

    @property
    def audited(self) -> AuditedStore:
        """The rows that affect decisions, with the audit events about them."""
        ...

    async def wait_for_changes(self, timeout_s: float) -> None:
        """Return after *timeout_s*, or sooner if notified that `changes` has something new. Never raises."""
        ...

    async def change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run *work* in one transaction, publish its revision, and return what *work* returned.

        If the caller is cancelled, the work is still finished, so that no transaction stays open.
        """
        ...

    async def view(self, key_id: str) -> KeyView | None:
        """A key, unless it is deleted, with its last use."""
        ...

    async def views(self, query: KeyQuery) -> list[KeyView]: ...
    async def count(self, query: KeyQuery) -> int:
        """How many keys *query* asks for in all, whatever its limit and place."""
        ...

    async def usage(self, key_id: str, since: date) -> list[UseDay]:
        """Days with any use, oldest first."""
        ...

    async def team(self, team_id: str) -> Team | None: ...
    async def teams(self) -> list[Team]: ...
    async def idempotency_record(self, scope: str) -> IdempotencyRecord | None: ...
    async def events(self, query: EventQuery) -> list[ChainedEvent]: ...
    def every_event(self) -> AsyncIterator[ChainedEvent]:
        """The whole audit log, oldest first, in bounded memory."""
        ...

    async def audit_head(self) -> tuple[int, bytes]:
        """The expected number of events, and the MAC of the last one."""
        ...

    async def close(self) -> None:
        """Finish queued writes and close every connection. Until `open`, every call raises StoreUnavailable."""
        ...

    def open(self) -> None:
        """Serve again after `close`; a new store is open."""
        ...
