"""The key store code shared by all engines, which use the same statement names."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from keyfob.errors import Outdated, StoreUnavailable
from keyfob.keys.record import StoredSecret
from keyfob.store.contract.key_store import Changes, EventQuery, Found
from keyfob.store.sql import rows
from keyfob.store.sql.audited_rows import AuditedRows
from keyfob.store.sql.console_tables import ConsoleTables
from keyfob.store.sql.foreign_rows import ForeignRows
from keyfob.store.sql.handover_table import HandoverRows
from keyfob.store.sql.listing import FEW
from keyfob.store.sql.notice_table import NoticeRows
from keyfob.store.sql.people_table import PeopleRows
from keyfob.store.sql.quota_table import QuotaRows
from keyfob.store.sql.refusal_table import RefusalRows
from keyfob.store.sql.use_detail_rows import UseDetailRows
from keyfob.store.sql.worker_table import WorkerTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
    from datetime import date

    from keyfob.audit import ChainedEvent
    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.record import KeyRecord, Team
    from keyfob.store.contract.idempotency import IdempotencyRecord
    from keyfob.store.contract.key_store import KeyView, Use, UseDay
    from keyfob.store.contract.transaction import Transaction

T = TypeVar("T")

BEYOND_REVISIONS = 2**63 - 1
_ROWS_AT_ONCE = 500  # rows converted before other tasks get their turn on the event loop
_KEY_COLUMNS = 6  # the index of the first key column in a row of ``changes``


class Connections(Protocol):
    """The open connections of a store, per event loop."""

    def open(self) -> None:
        """Allow new connections again."""
        ...

    async def close(self) -> None:
        """Close the running loop's connections; until `open`, none is opened."""
        ...


class StatementStore(ABC):
    """What the engines share of `keyfob.store.contract.key_store.KeyStore`. Each runs its own statements."""

    schema: int  # the number of the newest migration that this code knows

    def __init__(
        self, connections: Connections, statements: Mapping[str, str], audit_key: Callable[[], SigningKey] | None
    ) -> None:
        self._pool = connections
        self._statements = statements
        self._audit_key = audit_key
        self._under_way: set[asyncio.Task[Any]] = set()
        self.console = ConsoleTables(self, statements)
        self.refusals = RefusalRows(self, statements)
        self.notices = NoticeRows(self, statements)
        self.use_details = UseDetailRows(self, statements)
        self.handovers = HandoverRows(self, statements)
        self.foreign = ForeignRows(self._ask)
        self.workers = WorkerTable(self, statements)
        self.audited = AuditedRows(self, statements)
        self.people = PeopleRows(self, statements)
        self.quotas = QuotaRows(self, statements)

    @property
    @abstractmethod
    def signal_id(self) -> str | None:
        """Names the change signal that this process reads; "" if it can read none, None if the engine has none."""

    @abstractmethod
    async def read(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Sequence[Any]]:
        """Run one read-only statement for management. Raises StoreUnavailable."""

    @abstractmethod
    async def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Run one small statement in its own transaction; nothing that affects whether a key is valid."""

    @abstractmethod
    async def write(self, sql: str, parameters: Mapping[str, object]) -> list[Sequence[Any]]:
        """Run one small statement that a request waits for, and that lasts when it returns."""

    @abstractmethod
    async def settle_quotas(self, parameters: Mapping[str, object]) -> None:
        """Apply one batch of settlements, if it was not applied before."""

    @abstractmethod
    async def _ask(self, name: str, *values: object) -> tuple[list[Sequence[Any]], str]:
        """Run the statement *name*, for which requests wait.

        Returns:
            The rows, and an id of this copy of the database, because copies have the same epoch; "" if there is none.
        """

    @abstractmethod
    async def _write_change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run *work* in one transaction, commit it, and publish its revision."""

    @abstractmethod
    async def _write_usage(self, uses: Mapping[str, Use]) -> None:
        """Write *uses*, all or nothing."""

    @abstractmethod
    def _event_listing(self, query: EventQuery) -> tuple[str, Sequence[object] | Mapping[str, object]]:
        """The statement for *query* and its parameters."""

    async def find(self, key_id: str) -> Found:
        """Read one key and the revision in one snapshot."""
        (row,), copy = await self._ask("find", key_id)
        with rows.decoding():
            in_recovery, revision, epoch, phc, digest, *columns = row
            _demand_primary(in_recovery)
            record = None if columns[0] is None else rows.record_of(columns)
            secret = None if phc is None else StoredSecret(phc, digest)
            return Found(record, secret, revision, epoch + copy)

    async def changes(self, since: int | None) -> Changes:
        """Read all changes after *since* in one snapshot; None reads only the revision."""
        after = BEYOND_REVISIONS if since is None else since
        found, copy = await self._ask("changes", after, rows.MOST_CHANGES + 1)
        with rows.decoding():
            in_recovery, revision, epoch, min_reader, requested_revision, marks, *_ = found[0]
            _demand_primary(in_recovery)
            if min_reader > self.schema:  # migrated by a newer Keyfob while this one is running
                raise Outdated("the database belongs to a newer Keyfob")
            keyring = tuple(rows.mark_of(mark) for mark in json.loads(marks or "[]"))
            too_many = len(found) > rows.MOST_CHANGES
            records = () if too_many else await _records(found)
            return Changes(
                revision, epoch + copy, records, keyring, too_many=too_many, requested_revision=requested_revision
            )

    async def save_digest(self, key_id: str, checked_hash: str, secret: StoredSecret) -> None:
        """Store *secret* if the key still has *checked_hash* and is not deleted."""
        await self.note(self._statements["save_digest"], (secret.hash, secret.digest, key_id, checked_hash))

    async def add_usage(self, uses: Mapping[str, Use]) -> None:
        """Write a batch, even if the caller is cancelled. A failed batch can be written again."""
        if uses:
            await self._finished(self._write_usage(uses))

    async def change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run *work* in one transaction, publish its revision, and return what *work* returned."""
        return await self._finished(self._write_change(work))

    async def view(self, key_id: str) -> KeyView | None:
        """A key, unless it is deleted, with its last use."""
        return await self._one(rows.view_of, "view", key_id)

    async def usage(self, key_id: str, since: date) -> list[UseDay]:
        """Days with any use, oldest first."""
        return await self._each(rows.day_of, "usage", key_id, since.toordinal())

    async def team(self, team_id: str) -> Team | None:
        """One team."""
        return await self._one(rows.team_of, "team", team_id)

    async def teams(self) -> list[Team]:
        """All teams, by id."""
        return await self._each(rows.team_of, "teams")

    async def idempotency_record(self, scope: str) -> IdempotencyRecord | None:
        """The record of an Idempotency-Key."""
        return await self._one(rows.idempotency_record_of, "idempotency_record", scope)

    async def events(self, query: EventQuery) -> list[ChainedEvent]:
        """The audit events that *query* asks for."""
        found = await self.read(*self._event_listing(query))
        with rows.decoding():
            return [rows.event_of(row) for row in found]

    async def every_event(self) -> AsyncIterator[ChainedEvent]:
        """The whole audit log, oldest first, in bounded memory."""
        bound = 0
        while page := await self.events(EventQuery(limit=_ROWS_AT_ONCE, bound=bound, oldest_first=True)):
            for event in page:
                yield event
            bound = page[-1].seq

    async def audit_head(self) -> tuple[int, bytes]:
        """The expected number of events, and the MAC of the last one."""
        ((count, head),) = await self.read(self._statements["audit_head"])
        return count, bytes(head)

    def open(self) -> None:
        """Serve again after `close`."""
        self._pool.open()

    async def close(self) -> None:
        """Finish the running changes of this event loop and close its connections."""
        own = [task for task in self._under_way if task.get_loop() is asyncio.get_running_loop()]
        await asyncio.gather(*own, return_exceptions=True)
        await self._pool.close()

    async def _few(self, candidates: Sequence[tuple[str, Mapping[str, object]]]) -> list[str] | None:
        """The ids that the first of the statements *candidates* finds which does not find many; None if all do."""
        for statement, parameters in candidates:
            found = {row[0] for row in await self.read(statement, parameters)}
            if len(found) <= FEW:
                return list(found)
        return None

    async def _one(self, decode: Callable[[Sequence[Any]], T], name: str, *values: object) -> T | None:
        found = await self._each(decode, name, *values)
        return found[0] if found else None

    async def _each(self, decode: Callable[[Sequence[Any]], T], name: str, *values: object) -> list[T]:
        found = await self.read(self._statements[name], values)
        with rows.decoding():
            return [decode(row) for row in found]

    async def _finished(self, work: Coroutine[Any, Any, T]) -> T:
        """Run *work* to its end, even if the caller is cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(_mark_retrieved)
        return await asyncio.shield(task)


async def _records(found: Sequence[Sequence[Any]]) -> tuple[KeyRecord, ...]:
    """The keys in rows of ``changes``; a single row without a key means that nothing changed."""
    records: list[KeyRecord] = []
    for start in range(0, len(found), _ROWS_AT_ONCE):
        chunk = (row[_KEY_COLUMNS:] for row in found[start : start + _ROWS_AT_ONCE])
        records.extend(rows.record_of(row) for row in chunk if row[0] is not None)
        if start:
            await asyncio.sleep(0)
    return tuple(records)


def _demand_primary(in_recovery: object) -> None:
    if in_recovery:
        raise StoreUnavailable("this is a replica, which may not know yet that a key was revoked")


def _mark_retrieved(task: asyncio.Task[Any]) -> None:
    """Retrieve the exception of a change whose caller was cancelled, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
