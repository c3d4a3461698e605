"""The contract on a real server, with and without a pooler, and what becomes of changes and uses there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.audit import verify_chain
from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.keys.record import LastUse
from keyfob.store import open_store
from keyfob.store.contract.key_store import EventQuery, KeyQuery, Use, UseDay
from tests.keyfob.store.contract import StoreContract
from tests.keyfob.store.postgres.on_postgres import OURS, name_of, opened, other, sql, store, until, url
from tests.keyfob.store.postgres.pooler import Pooler, pooler_before
from tests.keyfob.store.samples import (
    KEY,
    NOON,
    SECRET,
    SIGNING_KEY,
    TEAM,
    TODAY,
    adding,
    appending,
    erasing,
    event,
    key,
    putting,
    revision_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.postgres.store import PostgresStore
    from keyfob.store.postgres.transaction import PostgresTransaction

__all__ = ["other", "store", "url"]  # fixtures of this store's tests

MANY_KEYS = """
INSERT INTO keyfob.keys
    (id, name, name_folded, key_type, team, permissions, created_at, creator_kind, creator_name, ip_allow, revision)
SELECT 'many' || n, 'Many', 'many', 'api', 'ours', '[]', 0, 'cli', 'test', '[]', 1 FROM generate_series(1, 20000) n
"""
MANY_ROWS = (
    "INSERT INTO keyfob.key_usage (key_id, team, created_at)"
    " SELECT id, team, created_at FROM keyfob.keys WHERE id LIKE 'many%'"
)


class TestPostgresStore(StoreContract):
    """The whole contract."""


@pytest.mark.cases("MW-04")
class TestBehindAPooler(StoreContract):
    """The whole contract again, where every transaction meets another session of the server."""

    @pytest.fixture
    async def pooler(self, url: str) -> AsyncIterator[Pooler]:
        async with pooler_before(url) as made:
            yield made

    @pytest.fixture
    async def store(self, pooler: Pooler) -> AsyncIterator[PostgresStore]:
        made = opened(pooler.url)
        yield made
        await made.close()

    async def test_nobody_listens_through_a_pooler(self, store: PostgresStore, pooler: Pooler, url: str) -> None:
        """A session that is lent to everybody in turn is never told to listen; waiting for news is waiting."""
        await store.wait_for_changes(0.3)

        assert pooler.transactions
        assert store._connections.connections().notifications._is_silent
        assert 0 == await sql(url, f"SELECT count(*) {OURS} AND query LIKE 'LISTEN%'")


class TestRevisions:
    async def test_no_reader_misses_a_revision(self, store: PostgresStore, other: PostgresStore) -> None:
        """Changes become visible in the order of their revisions, so that asking for what is newer finds all."""
        writers = 8
        await store.change(adding(*(key(number) for number in range(writers))))

        async def write(number: int) -> None:
            for turn in range(6):
                await (store, other)[number % 2].change(putting(key(number, name=f"{number} in turn {turn}")))

        first = await store.changes(0)
        writing = asyncio.gather(*(write(number) for number in range(writers)))
        seen = 1
        names: dict[str, str] = {}
        while seen < 1 + writers * 6:
            changed = await other.changes(seen)
            names.update({record.id: record.name for record in changed.records})
            whole = await other.changes(0)
            missed = {one.id: one.name for one in whole.records if one.revision <= changed.revision}
            assert missed.items() <= names.items() | {(one.id, one.name) for one in first.records}
            seen = changed.revision
        await writing

        assert {key(number).id: f"{number} in turn 5" for number in range(writers)} == names

    async def test_a_database_that_was_put_in_place_of_another_is_another_epoch(
        self, store: PostgresStore, url: str
    ) -> None:
        """SF-17: a table that was filled anew is another history, even at the same revision and epoch."""
        await store.change(adding(KEY))
        before = await store.changes(None)

        await sql(url, "CREATE TABLE kept AS SELECT * FROM keyfob.meta")
        await sql(url, "TRUNCATE keyfob.meta")
        await sql(url, "INSERT INTO keyfob.meta SELECT * FROM kept")

        after = await store.changes(None)
        assert (before.revision, False) == (after.revision, before.epoch == after.epoch)
        assert after.epoch == (await store.find(KEY.id)).epoch

    async def test_a_change_survives_whatever_the_server_is_set_to(self, store: PostgresStore, url: str) -> None:
        """A commit waits for the disk even where the database's default is not to."""
        await sql(url, f"ALTER DATABASE {name_of(url)} SET synchronous_commit = off")

        async def look(transaction: Transaction) -> object:
            running: PostgresTransaction = transaction  # type: ignore[assignment] # it is this store's
            return await running._connection.fetchval("SHOW synchronous_commit")

        assert "on" == await store.change(look)

    async def test_a_failure_that_the_work_swallows_is_no_success(self, store: PostgresStore) -> None:
        """PostgreSQL undoes a change whose statement failed, whatever the work makes of it; so does the answer."""

        async def work(transaction: Transaction) -> None:
            await transaction.put_team(TEAM)
            with pytest.raises(StoreUnavailable):
                await transaction.add_key(replace(KEY, team="nowhere"), SECRET)

        with pytest.raises(StoreUnavailable):
            await store.change(work)

        assert (None, 0) == (await store.team(TEAM.id), await revision_of(store))

    async def test_a_failure_that_is_swallowed_in_the_log_is_no_success(self, store: PostgresStore) -> None:
        """The same where no key changes and nobody is notified."""

        async def work(transaction: Transaction) -> None:
            await transaction.append(event())
            running: PostgresTransaction = transaction  # type: ignore[assignment] # it is this store's
            with pytest.raises(StoreUnavailable):
                await running.run("add_usage_row", ("nobody", "nowhere", 1))

        with pytest.raises(StoreUnavailable):
            await store.change(work)

        assert [] == await store.events(EventQuery())

    async def test_lines_written_to_the_log_at_once_are_one_chain(
        self, store: PostgresStore, other: PostgresStore
    ) -> None:
        """Whoever changes anything waits for the change before, so that no two events claim one place."""
        await asyncio.gather(*(writer.change(appending(event())) for writer in (store, other) * 10))

        count, head = await store.audit_head()
        whole = [chained async for chained in store.every_event()]
        assert 20 == count
        assert [] == list(verify_chain(whole, count=count, head=head, keys={"a": SIGNING_KEY.audit_key}))

    async def test_without_a_keyring_nothing_is_appended(self, url: str) -> None:
        """A process that holds no keyring cannot write a log that nobody could verify."""
        keyless = open_store(url)

        with pytest.raises(ConfigError):
            await keyless.change(appending(event()))
        await keyless.close()

    async def test_a_change_waits_only_so_long_for_the_others(
        self, store: PostgresStore, other: PostgresStore, url: str
    ) -> None:
        """Behind a change that does not end, the next is told so; and who dawdles is cut off by the server."""
        go_on = asyncio.Event()
        slow = asyncio.create_task(store.change(lambda _: go_on.wait()))
        await until(lambda: sql(url, f"SELECT count(*) {OURS} AND state = 'idle in transaction'"))

        with pytest.raises(StoreUnavailable):
            await other.change(adding(KEY))

        go_on.set()
        await slow
        await other.change(adding(KEY))


class TestUsage:
    async def test_flushes_that_cross_never_wait_for_each_other(
        self, store: PostgresStore, other: PostgresStore, url: str
    ) -> None:
        """Batches of the same keys in opposite orders, beside deletions, all arrive, and each counts once."""
        ids = [key(number).id for number in range(40)]
        await store.change(adding(*(key(number) for number in range(40))))
        await sql(url, MANY_KEYS)  # so that rows are taken one by one, in the order of the batch
        await sql(url, MANY_ROWS)
        await sql(url, "ANALYZE keyfob.key_usage")
        use = Use(NOON, "192.0.2.7", {TODAY: 1}, {TODAY: 1})

        async def flush(writer: PostgresStore, order: list[str]) -> None:
            for turn in range(20):
                await writer.add_usage(dict.fromkeys(order, replace(use, last_at=NOON + timedelta(seconds=turn))))

        async def erase() -> None:
            for gone in ids[::8]:
                await store.change(erasing(gone))

        await asyncio.gather(flush(store, ids), flush(other, ids[::-1]), flush(store, ids[::-1]), erase())

        assert [UseDay(TODAY, 60, 60)] == await store.usage(ids[1], TODAY)
        assert [] == await store.usage(ids[8], TODAY)
        view = await store.view(ids[-1])
        assert view is not None
        assert LastUse(NOON + timedelta(seconds=19), "192.0.2.7") == view.last_used

    async def test_search_for_what_no_text_can_hold(self, store: PostgresStore) -> None:
        """PostgreSQL keeps no NUL, so that nothing is found by it, and nothing breaks."""
        await store.change(adding(KEY))

        assert [] == await store.views(KeyQuery(TEAM.id, NOON, q="Build\0"))
        assert None is await store.team("\0")
