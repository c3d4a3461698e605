"""Keeps the keys in one SQLite file, shared by all processes of a host."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from keyfob.errors import StoreUnavailable
from keyfob.store.contract.use_details import ADDRESSES
from keyfob.store.sql import rows
from keyfob.store.sql.store import StatementStore
from keyfob.store.sql.use_detail_rows import days_of, hours_of, values_of
from keyfob.store.sqlite.change_signal import ChangeSignal
from keyfob.store.sqlite.connections import ConnectionsPerLoop
from keyfob.store.sqlite.files import begin, is_disk_full, translate_failures
from keyfob.store.sqlite.listing import event_listing, few_keys, few_to_count, first_keys, key_count, key_listing
from keyfob.store.sqlite.migrations import SCHEMA
from keyfob.store.sqlite.reserve import Reserve
from keyfob.store.sqlite.transaction import SQL, SQLiteTransaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from keyfob.keyring.keyring import SigningKey
    from keyfob.store.contract.counter import Counter
    from keyfob.store.contract.key_store import EventQuery, KeyQuery, KeyView, Use
    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.sqlite.connections import Connections
    from keyfob.store.sqlite.files import QuietConnection

T = TypeVar("T")

log = logging.getLogger("keyfob")

TURN_TIMEOUT = 5.0  # seconds that a change waits for those before it in this process


class SQLiteStore(StatementStore):
    """A `keyfob.store.contract.key_store.KeyStore` in the file *path*, which must exist."""

    schema = SCHEMA

    def __init__(self, path: Path, *, audit_key: Callable[[], SigningKey] | None) -> None:
        self.path = path
        self._connections = ConnectionsPerLoop(path)
        self.signal = ChangeSignal(path)
        self._reserve = Reserve(path)
        super().__init__(self._connections, SQL, audit_key)

    @property
    def change_signal(self) -> Counter:
        """Differs from before after every change on this host."""
        return self.signal.counter

    @property
    def is_immediate(self) -> bool:
        """Whether changes made here are seen immediately by every process that reads the same signal."""
        return self.signal.is_writable

    @property
    def signal_id(self) -> str:
        """Names the change signal that this process reads; empty if it can read none."""
        self.signal.reopen()
        return self.signal.id

    async def wait_for_changes(self, timeout_s: float) -> None:
        """Return after *timeout_s*: processes that share this file see the change signal."""
        await asyncio.sleep(timeout_s)

    async def views(self, query: KeyQuery) -> list[KeyView]:
        """The keys that *query* asks for, in its order."""
        candidates = few_keys(query)
        found = await self.read(*first_keys(query)) if candidates else []
        if len(found) < query.limit:
            found = await self.read(*key_listing(query, await self._few(candidates)))
        with rows.decoding():
            return [rows.view_of(row) for row in found]

    async def count(self, query: KeyQuery) -> int:
        """How many keys *query* asks for in all."""
        ((count,),) = await self.read(*key_count(query, await self._few(few_to_count(query))))
        return int(count)

    async def read(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Sequence[Any]]:
        """Run one statement that changes nothing."""
        with translate_failures():
            connections = await self._connections.connections()
            return list(await connections.reader.execute_fetchall(sql, parameters))

    async def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Run one small statement without waiting for the disk; nothing that decides whether a key is valid."""
        with translate_failures():
            connections = await self._connections.connections()
            async with _turn(connections):
                await connections.notes.write((sql, parameters))

    async def write(self, sql: str, parameters: Mapping[str, object]) -> list[Sequence[Any]]:
        """Run one small statement, and wait for the disk; nothing that decides whether a key is valid."""
        with translate_failures():
            connections = await self._connections.connections()
            async with _turn(connections):
                found = await connections.writer.write((sql, parameters))
        if self._connections.present() != connections.id:
            raise StoreUnavailable("the database was replaced while it was being changed")
        return found

    async def settle_quotas(self, parameters: Mapping[str, object]) -> None:
        """Apply one batch of settlements, if it was not applied before."""
        with translate_failures():
            connections = await self._connections.connections()
            async with _turn(connections):
                await connections.notes.write(
                    *((SQL[name], parameters) for name in ("settle_quotas", "note_settlement"))
                )

    async def _ask(self, name: str, *values: object) -> tuple[list[Sequence[Any]], str]:
        with translate_failures():
            if name == "changes":  # each poll also looks whether the signal is still the one that is open
                self.signal.reopen()
            connections = await self._connections.connections()
            found: list[Sequence[Any]] = list(await connections.hot.execute_fetchall(SQL[name], values))
            if name == "changes":
                self._reserve.keep()
        device, inode = connections.id
        return found, f"-{device:x}-{inode:x}"  # a copy put in the file's place has the same epoch

    def _event_listing(self, query: EventQuery) -> tuple[str, Sequence[object]]:
        return event_listing(query)

    async def _write_change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        with translate_failures():
            connections = await self._connections.connections()
        transaction = SQLiteTransaction(connections.writer, self._audit_key)
        try:
            try:
                async with _transaction(connections, connections.writer):
                    result = await work(transaction)
            except StoreUnavailable as error:
                takes_away = transaction.revision is not None and not transaction.adds_keys
                if not (is_disk_full(error) and takes_away and self._reserve.release()):
                    raise
                transaction = SQLiteTransaction(connections.writer, self._audit_key)
                async with _transaction(connections, connections.writer):
                    result = await work(transaction)
                log.warning(
                    "the disk is full: a change was made in the space that is kept in reserve",
                    extra={"event": "disk_full"},
                )
        except BaseException:
            if transaction.revision is not None:  # cut short while committing, it may have been committed or not
                self.signal.publish_unknown()
            raise
        if transaction.revision is not None:
            self.signal.publish(transaction.revision)
        if self._connections.present() != connections.id:
            raise StoreUnavailable("the database was replaced while it was being changed")
        return result

    async def _write_usage(self, uses: Mapping[str, Use]) -> None:
        with translate_failures():
            connections = await self._connections.connections()
        statements = _usage_statements(uses)  # made before the lock is taken
        async with _turn(connections):
            with translate_failures():
                await connections.notes.write(*statements)


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
async def _transaction(connections: Connections, connection: QuietConnection) -> AsyncIterator[None]:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when anything raises.

    The connection's thread takes its work strictly in order. So the rollback comes after a BEGIN or COMMIT whose
    caller was cancelled while it was waiting, and no transaction can stay open unnoticed.
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


def _usage_statements(uses: Mapping[str, Use]) -> list[tuple[str, Sequence[object] | Mapping[str, object]]]:
    """What writes *uses*; addresses are folded only where some were noted."""
    statements: list[tuple[str, Sequence[object] | Mapping[str, object]]] = [
        (SQL["note_last_uses"], (_last_uses(uses),)),
        (SQL["count_days"], (_days(uses),)),
    ]
    if hours := hours_of(uses):
        statements.append((SQL["count_hours"], (json.dumps(hours),)))
    if details := values_of(uses):
        days = {"days": json.dumps(list(days_of(uses))), "most": ADDRESSES}
        statements.append((SQL["add_details"], (json.dumps(details),)))
        statements.extend((SQL[name], days) for name in ("fold_details", "drop_folded"))
    return statements


def _last_uses(uses: Mapping[str, Use]) -> str:
    """Key, moment and address of each use, as JSON."""
    return json.dumps(
        [(key_id, rows.micros(use.last_at), use.ip) for key_id, use in uses.items() if use.last_at is not None]
    )


def _days(uses: Mapping[str, Use]) -> str:
    """Key, day, and what was admitted, denied and limited, as JSON."""
    return json.dumps(
        [
            (key_id, day.toordinal(), use.admitted.get(day, 0), use.denied.get(day, 0), use.limited.get(day, 0))
            for key_id, use in uses.items()
            for day in use.admitted.keys() | use.denied.keys() | use.limited.keys()
        ]
    )
