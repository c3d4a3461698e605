"""Keeps the keys in PostgreSQL, shared by all hosts."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, TypeVar

from keyfob.errors import Outdated, StoreUnavailable
from keyfob.store.contract import Changes, EventQuery, Found, StoredSecret
from keyfob.store.postgres.connections import ConnectionsPerLoop, Purpose
from keyfob.store.postgres.listing import FEW, event_listing, key_listing, key_search
from keyfob.store.postgres.migrations import SCHEMA
from keyfob.store.postgres.statements import SQL, bound, holds_nul
from keyfob.store.postgres.transaction import PostgresTransaction
from keyfob.store.postgres.usage import write_usage
from keyfob.store.sql import rows
from keyfob.store.sql.console_tables import ConsoleTables
from keyfob.store.sql.listing import needs_search
from keyfob.store.sql.worker_table import WorkerTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
    from datetime import date

    from keyfob.audit import ChainedEvent
    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.record import KeyRecord, Team
    from keyfob.store.contract import IdempotencyRecord, KeyQuery, KeyView, Transaction, Use, UseDay
    from keyfob.store.postgres.address import Address

T = TypeVar("T")

REQUEST_LIMIT = 1.5  # seconds that a request waits for the database; the rest of two seconds is for everything else
READ_LIMIT = 10.0  # seconds for lists, which may be long
_BEYOND_REVISIONS = 2**63 - 1
_ROWS_AT_ONCE = 500  # rows turned into records before other work gets its turn on the loop


class PostgresStore:
    """A `keyfob.store.contract.KeyStore` in the database at *address*."""

    def __init__(self, address: Address, *, audit_key: Callable[[], SigningKey] | None) -> None:
        self._audit_key = audit_key
        self._connections = ConnectionsPerLoop(address)
        self._signal = [0]
        self._under_way: set[asyncio.Task[Any]] = set()
        self.console = ConsoleTables(self, SQL)
        self.workers = WorkerTable(self, SQL)

    @property
    def change_signal(self) -> Sequence[int]:
        """One number that differs from before after every change that this process has made.

        Notifications don't touch it: what the change signal demands must be read before anybody is admitted again, and
        a hint is not worth that when the database has gone since. See `news`.
        """
        return self._signal

    @property
    def is_immediate(self) -> bool:
        """Other hosts see a change within their lease, not when it returns."""
        return False

    async def find(self, key_id: str) -> Found:
        """Read one key and the revision in one snapshot."""
        (row,) = await self._ask(SQL["find"], key_id)
        in_recovery, revision, epoch, phc, digest, *columns = row
        _demand_primary(in_recovery)
        record = None if columns[0] is None else rows.record_of(columns)
        secret = None if phc is None else StoredSecret(phc, digest)
        return Found(record, secret, revision, epoch)

    async def save_digest(self, key_id: str, checked_hash: str, secret: StoredSecret) -> None:
        """Keep *secret* if the key still has *checked_hash* and is not deleted."""
        await self._ask(SQL["save_digest"], secret.hash, secret.digest, key_id, checked_hash)

    async def changes(self, since: int | None) -> Changes:
        """Read all that changed after *since* in one snapshot; None asks for the revision alone."""
        found = await self._ask(SQL["changes"], _BEYOND_REVISIONS if since is None else since, rows.MOST_CHANGES + 1)
        in_recovery, revision, epoch, min_reader, requested_revision, marks, *_ = found[0]
        _demand_primary(in_recovery)
        if min_reader > SCHEMA:  # migrated by a newer Keyfob while this one is running
            raise Outdated("the database belongs to a newer Keyfob")
        keyring = tuple(rows.mark_of(mark) for mark in json.loads(marks or "[]"))
        if len(found) > rows.MOST_CHANGES:
            return Changes(revision, epoch, (), keyring, too_many=True, requested_revision=requested_revision)
        return Changes(revision, epoch, await _records(found), keyring, requested_revision=requested_revision)

    async def wait_for_changes(self, timeout_s: float) -> None:
        """Return after *patience* seconds, or sooner if another process says that it has changed something."""
        try:
            notifications = self._connections.connections().notifications
        except StoreUnavailable:  # closed
            await asyncio.sleep(timeout_s)
        else:
            await notifications.wait(timeout_s)

    async def add_usage(self, uses: Mapping[str, Use]) -> None:
        """Write a batch in one transaction, finished even if the caller is cancelled."""
        if uses:
            await self._finished(self._add_usage(uses))

    async def change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run *work* in one transaction, keyring the change signal, and return what it returned."""
        return await self._finished(self._change(work))

    async def view(self, key_id: str) -> KeyView | None:
        """A key that is not deleted, with its last use."""
        found = await self.read(SQL["view"], (key_id,))
        return rows.view_of(found[0]) if found else None

    async def views(self, query: KeyQuery) -> list[KeyView]:
        """The keys that *query* asks for, in its order."""
        among = await self._few(query.q) if query.q and needs_search(query.q) else None
        return [rows.view_of(row) for row in await self.read(*key_listing(query, among))]

    async def usage(self, key_id: str, since: date) -> list[UseDay]:
        """Days with any use, oldest first."""
        return [rows.day_of(row) for row in await self.read(SQL["usage"], (key_id, since.toordinal()))]

    async def team(self, team_id: str) -> Team | None:
        """One team."""
        found = await self.read(SQL["team"], (team_id,))
        return rows.team_of(found[0]) if found else None

    async def teams(self) -> list[Team]:
        """All teams, by id."""
        return [rows.team_of(row) for row in await self.read(SQL["teams"])]

    async def idempotency_record(self, scope: str) -> IdempotencyRecord | None:
        """What was made under an Idempotency-Key."""
        found = await self.read(SQL["idempotency_record"], (scope,))
        return rows.idempotency_record_of(found[0]) if found else None

    async def events(self, query: EventQuery) -> list[ChainedEvent]:
        """The audit events that *query* asks for."""
        return [rows.event_of(row) for row in await self.read(*event_listing(query))]

    async def every_event(self) -> AsyncIterator[ChainedEvent]:
        """The whole audit log, oldest first, in bounded memory."""
        bound_at = 0
        while page := await self.events(EventQuery(limit=_ROWS_AT_ONCE, bound=bound_at, oldest_first=True)):
            for event in page:
                yield event
            bound_at = page[-1].seq

    async def audit_head(self) -> tuple[int, bytes]:
        """How many events there should be, and the MAC of the last."""
        ((count, head),) = await self.read(SQL["audit_head"])
        return count, bytes(head)

    def open(self) -> None:
        """Serve again after `close`."""
        self._connections.open()

    async def close(self) -> None:
        """Finish the changes under way on this loop and close every connection."""
        own = [task for task in self._under_way if task.get_loop() is asyncio.get_running_loop()]
        await asyncio.gather(*own, return_exceptions=True)
        await self._connections.close()

    async def read(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Sequence[Any]]:
        """Run one statement that changes nothing, for people."""
        text, values = bound(sql, parameters)
        if holds_nul(values):
            return []
        async with self._connections.connections().lend(Purpose.MANAGEMENT, within=READ_LIMIT) as connection:
            return list(await connection.fetch(text, *values))

    async def _few(self, q: str) -> list[str] | None:
        """The ids of all keys that match *q*, unless they are many."""
        found = [row[0] for row in await self.read(*key_search(q))]
        return found if len(found) <= FEW else None

    async def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Run one small statement that is a transaction of its own; nothing that a key is judged by."""
        async with self._connections.connections().lend(Purpose.MANAGEMENT, within=REQUEST_LIMIT) as connection:
            await connection.fetch(sql, *parameters)

    async def _ask(self, sql: str, *values: object) -> list[Sequence[Any]]:
        """Run one statement that requests wait for."""
        async with self._connections.connections().lend(Purpose.REQUEST, within=REQUEST_LIMIT) as connection:
            return list(await connection.fetch(sql, *values))

    async def _finished(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(_look_at)
        return await asyncio.shield(task)

    async def _change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async with self._connections.connections().lend(Purpose.MANAGEMENT) as connection:
            transaction = PostgresTransaction(connection, self._audit_key)
            await transaction.begin()
            try:
                result = await work(transaction)
            except StoreUnavailable:
                raise  # the connection is cut, and the server undoes what it has seen
            except Exception as error:  # noqa: BLE001 (raised again when the connection is back in its place)
                await transaction.roll_back()
                refused: Exception = error
            else:
                await transaction.commit()
                if transaction.revision is not None:
                    # Beyond all revisions, because a number below one would say that this signal had stayed behind.
                    self._signal[0] = _BEYOND_REVISIONS + transaction.revision
                return result
        raise refused

    async def _add_usage(self, uses: Mapping[str, Use]) -> None:
        async with self._connections.connections().lend(Purpose.MANAGEMENT) as connection:
            await write_usage(connection, uses)


async def _records(found: Sequence[Sequence[Any]]) -> tuple[KeyRecord, ...]:
    """The keys in rows of ``changes``; a single row without a key says that nothing changed."""
    records: list[KeyRecord] = []
    for start in range(0, len(found), _ROWS_AT_ONCE):
        records.extend(rows.record_of(row[6:]) for row in found[start : start + _ROWS_AT_ONCE] if row[6] is not None)
        if start:
            await asyncio.sleep(0)
    return tuple(records)


def _demand_primary(in_recovery: bool) -> None:  # noqa: FBT001 (a column, not a switch)
    if in_recovery:
        raise StoreUnavailable("this is a replica, which may not know yet that a key was revoked")


def _look_at(task: asyncio.Task[Any]) -> None:
    """Take note of the failure of a change whose caller has left, so that asyncio doesn't report it as forgotten."""
    if not task.cancelled():
        task.exception()
