"""Keeps the keys in PostgreSQL, shared by all hosts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from keyfob.errors import StoreUnavailable
from keyfob.store.contract.counter import OwnCounter
from keyfob.store.postgres.connections import ConnectionsPerLoop, Purpose
from keyfob.store.postgres.listing import event_listing, few_keys, few_to_count, key_count, key_listing
from keyfob.store.postgres.migrations import SCHEMA
from keyfob.store.postgres.statements import SQL, bound, holds_nul
from keyfob.store.postgres.transaction import PostgresTransaction
from keyfob.store.postgres.usage import write_usage
from keyfob.store.sql import rows
from keyfob.store.sql.store import BEYOND_REVISIONS, StatementStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from keyfob.keyring.keyring import SigningKey
    from keyfob.store.contract.key_store import EventQuery, KeyQuery, KeyView, Use
    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.url import StoreURL

T = TypeVar("T")

REQUEST_LIMIT = 1.5  # seconds that a request waits for the database; the rest of two seconds is for everything else
READ_LIMIT = 10.0  # seconds for lists, which may be long


class PostgresStore(StatementStore):
    """A `keyfob.store.contract.key_store.KeyStore` in the database at *url*."""

    schema = SCHEMA

    def __init__(self, url: StoreURL, *, audit_key: Callable[[], SigningKey] | None) -> None:
        self._connections = ConnectionsPerLoop(url)
        self._signal = OwnCounter()
        super().__init__(self._connections, SQL, audit_key)

    @property
    def change_signal(self) -> OwnCounter:
        """One number that differs from before after every change that this process has made.

        Notifications do not touch it: a change of this number must be followed by a read before anybody is admitted
        again, and a notification is not worth that if the database has gone away since.
        """
        return self._signal

    @property
    def is_immediate(self) -> bool:
        """False: other hosts see a change within their lease, not when it returns."""
        return False

    @property
    def signal_id(self) -> None:
        """None: processes do not share a signal."""

    async def wait_for_changes(self, timeout_s: float) -> None:
        """Return after *timeout_s*, or sooner if another process announces a change."""
        try:
            notifications = self._connections.connections().notifications
        except StoreUnavailable:  # closed
            await asyncio.sleep(timeout_s)
        else:
            await notifications.wait(timeout_s)

    async def views(self, query: KeyQuery) -> list[KeyView]:
        """The keys that *query* asks for, in its order."""
        found = await self.read(*key_listing(query, await self._few(few_keys(query))))
        with rows.decoding():
            return [rows.view_of(row) for row in found]

    async def count(self, query: KeyQuery) -> int:
        """How many keys *query* asks for in all."""
        ((count,),) = await self.read(*key_count(query, await self._few(few_to_count(query))))
        return int(count)

    async def read(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Sequence[Any]]:
        """Run one statement that changes nothing, for people."""
        text, values = bound(sql, parameters)
        if holds_nul(values):
            return []
        async with self._connections.connections().lend(Purpose.MANAGEMENT, within=READ_LIMIT) as connection:
            return list(await connection.fetch(text, *values))

    async def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Run one small statement as a transaction of its own; nothing that decides whether a key is valid."""
        async with self._connections.connections().lend(Purpose.MANAGEMENT, within=REQUEST_LIMIT) as connection:
            await connection.fetch(sql, *parameters)

    async def write(self, sql: str, parameters: Mapping[str, object]) -> list[Sequence[Any]]:
        """Run one small statement, for which a request waits, as a transaction of its own."""
        text, values = bound(sql, parameters)
        async with self._connections.connections().lend(Purpose.REQUEST, within=REQUEST_LIMIT) as connection:
            return list(await connection.fetch(text, *values))

    async def settle_quotas(self, parameters: Mapping[str, object]) -> None:
        """Apply one batch of settlements, if it was not applied before."""
        await self.note(*bound(SQL["settle_quotas"], parameters))

    async def _ask(self, name: str, *values: object) -> tuple[list[Sequence[Any]], str]:
        async with self._connections.connections().lend(Purpose.REQUEST, within=REQUEST_LIMIT) as connection:
            return list(await connection.fetch(SQL[name], *values)), ""

    def _event_listing(self, query: EventQuery) -> tuple[str, Mapping[str, object]]:
        return event_listing(query)

    async def _write_change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async with self._connections.connections().lend(Purpose.MANAGEMENT) as connection:
            transaction = PostgresTransaction(connection, self._audit_key)
            await transaction.begin()
            try:
                result = await work(transaction)
            except StoreUnavailable:
                raise  # the connection is cut, and the server rolls back what it has seen
            except Exception as error:  # noqa: BLE001 (raised again when the connection is back in its place)
                await transaction.roll_back()
                refused: Exception = error
            else:
                await transaction.commit()
                if transaction.revision is not None:
                    # Beyond all revisions, because a number below one would say that this signal had stayed behind.
                    self._signal.value = BEYOND_REVISIONS + transaction.revision
                return result
        raise refused

    async def _write_usage(self, uses: Mapping[str, Use]) -> None:
        async with self._connections.connections().lend(Purpose.MANAGEMENT) as connection:
            await write_usage(connection, uses)
