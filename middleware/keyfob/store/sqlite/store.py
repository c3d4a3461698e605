"""Keeps the keys in one SQLite file, shared by all processes of a host."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from keyfob.errors import Outdated, StoreUnavailable
from keyfob.store.contract import Changes, EventQuery, Found, StoredSecret
from keyfob.store.sql import rows
from keyfob.store.sql.console_tables import ConsoleTables
from keyfob.store.sql.listing import needs_search
from keyfob.store.sql.worker_table import WorkerTable
from keyfob.store.sqlite.change_signal import ChangeSignal
from keyfob.store.sqlite.connections import ConnectionsPerLoop
from keyfob.store.sqlite.files import begin, translate_failures
from keyfob.store.sqlite.listing import FEW, event_listing, first_keys, key_listing, key_search
from keyfob.store.sqlite.migrations import SCHEMA
from keyfob.store.sqlite.transaction import SQL, SQLiteTransaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    import aiosqlite

    from keyfob.audit import ChainedEvent
    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.record import KeyRecord, Team
    from keyfob.store.contract import IdempotencyRecord, KeyQuery, KeyView, Transaction, Use, UseDay
    from keyfob.store.sqlite.change_signal import FileId
    from keyfob.store.sqlite.connections import Connections

T = TypeVar("T")

TURN_TIMEOUT = 5.0  # seconds that a change waits for those before it in this process
_BEYOND_REVISIONS = 2**63 - 1
_ROWS_AT_ONCE = 500  # rows turned into records before other work gets its turn on the loop


class SQLiteStore:
    """A `keyfob.store.contract.KeyStore` in the file *path*, which must exist."""

    def __init__(self, path: Path, *, audit_key: Callable[[], SigningKey] | None) -> None:
        self.path = path
        self._audit_key = audit_key
        self._connections = ConnectionsPerLoop(path)
        self.signal = ChangeSignal(path)
        self._under_way: set[asyncio.Task[Any]] = set()
        self.console = ConsoleTables(self, SQL)
        self.workers = WorkerTable(self, SQL)

    @property
    def change_signal(self) -> Sequence[int]:
        """One number that differs from before after every change on this host."""
        return self.signal.counter

    @property
    def is_immediate(self) -> bool:
        """Whether changes made here are seen at once by every process of this host."""
        return self.signal.is_writable

    async def find(self, key_id: str) -> Found:
        """Read one key and the revision in one snapshot."""
        with translate_failures():
            connections = await self._connections.connections()
            ((revision, epoch, phc, digest, *row),) = await connections.hot.execute_fetchall(SQL["find"], (key_id,))
            record = None if row[0] is None else rows.record_of(row)
            secret = None if phc is None else StoredSecret(phc, digest)
            return Found(record, secret, revision, _epoch_of(epoch, connections.id))

    async def save_digest(self, key_id: str, checked_hash: str, secret: StoredSecret) -> None:
        """Keep *secret* if the key still has *checked_hash* and is not deleted."""
        await self.note(SQL["save_digest"], (secret.hash, secret.digest, key_id, checked_hash))

    async def changes(self, since: int | None) -> Changes:
        """Read all that changed after *since* in one snapshot; None asks for the revision alone."""
        with translate_failures():
            self.signal.reopen()
            connections = await self._connections.connections()
            after = _BEYOND_REVISIONS if since is None else since
            found = list(await connections.hot.execute_fetchall(SQL["changes"], (after, rows.MOST_CHANGES + 1)))
            revision, epoch, min_reader, requested_revision, marks, *_ = found[0]
            if min_reader > SCHEMA:  # migrated by a newer Keyfob while this one is running
                raise Outdated("the database belongs to a newer Keyfob")
            keyring = tuple(rows.mark_of(mark) for mark in json.loads(marks))
            epoch = _epoch_of(epoch, connections.id)
            if len(found) > rows.MOST_CHANGES:
                return Changes(revision, epoch, (), keyring, too_many=True, requested_revision=requested_revision)
            return Changes(revision, epoch, await _records(found), keyring, requested_revision=requested_revision)

    async def wait_for_changes(self, timeout_s: float) -> None:
        """Return after *patience* seconds: whoever shares this file hears the change_signal."""
        await asyncio.sleep(timeout_s)

    async def add_usage(self, uses: Mapping[str, Use]) -> None:
        """Write a batch in one transaction, finished even if the caller is cancelled."""
        if uses:
            await self._finished(self._add_usage(uses))

    async def change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run *work* in one transaction, keyring the change signal, and return what it returned."""
        return await self._finished(self._change(work))

    async def view(self, key_id: str) -> KeyView | None:
        """A key that is not deleted, with its last use."""
        with translate_failures():
            found = await self.read(SQL["view"], (key_id,))
            return rows.view_of(found[0]) if found else None

    async def views(self, query: KeyQuery) -> list[KeyView]:
        """The keys that *query* asks for, in its order."""
        with translate_failures():
            sought = query.q if query.q and needs_search(query.q) else None
            found = await self.read(*first_keys(query)) if sought else []
            if len(found) < query.limit:
                among = await self._few(sought) if sought else None
                found = await self.read(*key_listing(query, among))
            return [rows.view_of(row) for row in found]

    async def usage(self, key_id: str, since: date) -> list[UseDay]:
        """Days with any use, oldest first."""
        with translate_failures():
            return [rows.day_of(row) for row in await self.read(SQL["usage"], (key_id, since.toordinal()))]

    async def team(self, team_id: str) -> Team | None:
        """One team."""
        with translate_failures():
            found = await self.read(SQL["team"], (team_id,))
            return rows.team_of(found[0]) if found else None

    async def teams(self) -> list[Team]:
        """All teams, by id."""
        with translate_failures():
            return [rows.team_of(row) for row in await self.read(SQL["teams"])]

    async def idempotency_record(self, scope: str) -> IdempotencyRecord | None:
        """What was made under an Idempotency-Key."""
        with translate_failures():
            found = await self.read(SQL["idempotency_record"], (scope,))
            return rows.idempotency_record_of(found[0]) if found else None

    async def events(self, query: EventQuery) -> list[ChainedEvent]:
        """The audit events that *query* asks for."""
        with translate_failures():
            return [rows.event_of(row) for row in await self.read(*event_listing(query))]

    async def every_event(self) -> AsyncIterator[ChainedEvent]:
        """The whole audit log, oldest first, in bounded memory."""
        bound = 0
        while page := await self.events(EventQuery(limit=_ROWS_AT_ONCE, bound=bound, oldest_first=True)):
            for event in page:
                yield event
            bound = page[-1].seq

    async def audit_head(self) -> tuple[int, bytes]:
        """How many events there should be, and the MAC of the last."""
        with translate_failures():
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
        """Run one statement that changes nothing."""
        with translate_failures():
            connections = await self._connections.connections()
            return list(await connections.reader.execute_fetchall(sql, parameters))

    async def _few(self, q: str) -> list[str] | None:
        """The ids of all keys that may match *q*, unless they are many."""
        found = {row[0] for row in await self.read(*key_search(q))}
        return list(found) if len(found) <= FEW else None

    async def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Run one small statement without waiting for the disk; nothing that a key is judged by."""
        with translate_failures():
            connections = await self._connections.connections()
            async with _transaction(connections, connections.notes):  # so that who is cancelled waits for its end
                await connections.notes.execute_fetchall(sql, parameters)

    async def _finished(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(_look_at)
        return await asyncio.shield(task)

    async def _change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        with translate_failures():
            connections = await self._connections.connections()
        transaction = SQLiteTransaction(connections.writer, self._audit_key)
        try:
            async with _transaction(connections, connections.writer):
                result = await work(transaction)
        except BaseException:
            if transaction.revision is not None:  # cut short while committing, it may have been committed or not
                self.signal.publish_unknown()
            raise
        if transaction.revision is not None:
            self.signal.publish(transaction.revision)
        if self._connections.present() != connections.id:
            raise StoreUnavailable("the database was replaced while it was being changed")
        return result

    async def _add_usage(self, uses: Mapping[str, Use]) -> None:
        with translate_failures():
            connections = await self._connections.connections()
        last_uses, days = _last_uses(uses), _days(uses)  # made before the lock is taken
        async with _transaction(connections, connections.notes):
            with translate_failures():
                await connections.notes.execute_fetchall(SQL["note_last_uses"], (last_uses,))
                await connections.notes.execute_fetchall(SQL["count_days"], (days,))


@asynccontextmanager
async def _turn(connections: Connections) -> AsyncIterator[None]:
    """Wait for the changes before this one. Raises StoreUnavailable if that takes too long."""
    try:
        async with asyncio.timeout(TURN_TIMEOUT):
            await connections.turn.acquire()
    except TimeoutError as error:
        raise StoreUnavailable("too many changes are waiting for the database") from error
    try:
        yield
    finally:
        connections.turn.release()


@asynccontextmanager
async def _transaction(connections: Connections, connection: aiosqlite.Connection) -> AsyncIterator[None]:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when anything raises.

    The connection's thread takes orders strictly in turn. So the rollback comes after a BEGIN or COMMIT whose
    caller was cancelled while it was waiting, and no transaction can stay open behind our back.
    """
    async with _turn(connections):
        try:
            with translate_failures():
                await begin(connection)
            yield
            with translate_failures():
                await connection.commit()
        except BaseException:
            with suppress(sqlite3.Error, ValueError):  # a closed connection has nothing left to roll back
                await connection.rollback()
            raise


async def _records(found: Sequence[Sequence[Any]]) -> tuple[KeyRecord, ...]:
    """The keys in rows of ``changes``; a single row without a key says that nothing changed."""
    records: list[KeyRecord] = []
    for start in range(0, len(found), _ROWS_AT_ONCE):
        records.extend(rows.record_of(row[5:]) for row in found[start : start + _ROWS_AT_ONCE] if row[5] is not None)
        if start:
            await asyncio.sleep(0)
    return tuple(records)


def _last_uses(uses: Mapping[str, Use]) -> str:
    """Key, moment and address of each use, as JSON."""
    return json.dumps(
        [(key_id, rows.micros(use.last_at), use.ip) for key_id, use in uses.items() if use.last_at is not None]
    )


def _days(uses: Mapping[str, Use]) -> str:
    """Key, day, admitted and denied, as JSON."""
    return json.dumps(
        [
            (key_id, day.toordinal(), use.admitted.get(day, 0), use.denied.get(day, 0))
            for key_id, use in uses.items()
            for day in use.admitted.keys() | use.denied.keys()
        ]
    )


def _epoch_of(epoch: str, identity: FileId) -> str:
    """The database's own epoch and which file it is, so that a copy put in its place is another epoch too."""
    return f"{epoch}-{identity[0]:x}-{identity[1]:x}"


def _look_at(task: asyncio.Task[Any]) -> None:
    """Take note of the failure of a change whose caller has left, so that asyncio doesn't report it as forgotten."""
    if not task.cancelled():
        task.exception()
