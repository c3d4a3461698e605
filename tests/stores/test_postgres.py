from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.audit import verify_chain
from keyfob.errors import ConfigError, NotMigrated, StoreUnavailable
from keyfob.record import LastUse
from keyfob.store import EventQuery, KeyQuery, Use, UseDay, open_store, postgres_transaction
from keyfob.store.postgres import PostgresStore
from keyfob.store.postgres_address import read_address
from keyfob.store.postgres_connections import AT_ONCE
from tests.postgres_server import fresh_database, run_sql
from tests.stores.contract import TODAY, StoreContract
from tests.stores.pooler import Pooler, pooler_before
from tests.stores.samples import (
    KEY,
    NOON,
    RING_KEY,
    SECRET,
    TEAM,
    adding,
    appending,
    erasing,
    event,
    key,
    putting,
    revision_of,
)
from tests.tcp_proxy import Network, network_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from keyfob.store import Transaction
    from keyfob.store.postgres_transaction import PostgresTransaction

MANY_KEYS = """
INSERT INTO keyfob.keys
    (id, name, name_folded, key_type, team, permissions, created_at, creator_kind, creator_name, ip_allow, revision)
SELECT 'many' || n, 'Many', 'many', 'api', 'ours', '[]', 0, 'cli', 'test', '[]', 1 FROM generate_series(1, 20000) n
"""
MANY_ROWS = "INSERT INTO keyfob.key_usage (key_id, team) SELECT id, team FROM keyfob.keys WHERE id LIKE 'many%'"
PATIENT = postgres_transaction._BEGIN
OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'keyfob'"


def opened(url: str) -> PostgresStore:
    made = open_store(url, seal_with=lambda: RING_KEY)
    assert isinstance(made, PostgresStore)
    return made


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with fresh_database() as address:
        yield address


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    made = opened(url)
    yield made
    await made.close()


@pytest.fixture
async def other(url: str) -> AsyncIterator[PostgresStore]:
    made = opened(url)
    yield made
    await made.close()


@pytest.fixture
async def network(url: str) -> AsyncIterator[Network]:
    async with network_to(url) as made:
        yield made


@pytest.fixture
async def distant(network: Network) -> AsyncIterator[PostgresStore]:
    """A host whose network a test can break."""
    made = opened(network.url)
    yield made
    await made.close()


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


async def sql(url: str, statement: str) -> object:
    """Run *statement* in the database at *url*, behind Keyfob's back."""
    return await run_sql(statement, database=name_of(url))


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Wait for what happens in the server, or in another task."""
    while not await holds():  # noqa: ASYNC110 (nobody is there who could set an event)
        await asyncio.sleep(0.01)


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
        await store.news(0.3)

        assert pooler.transactions
        assert store._opening.connections().hints._is_silent
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
                await running.run("add_usage_row", ("nobody", "nowhere"))

        with pytest.raises(StoreUnavailable):
            await store.change(work)

        assert [] == await store.events(EventQuery())

    async def test_lines_written_to_the_log_at_once_are_one_chain(
        self, store: PostgresStore, other: PostgresStore
    ) -> None:
        """Whoever changes anything waits for the change before, so that no two events claim one place."""
        await asyncio.gather(*(writer.change(appending(event())) for writer in (store, other) * 10))

        count, head = await store.audit_head()
        whole = [sealed async for sealed in store.every_event()]
        assert 20 == count
        assert [] == list(verify_chain(whole, count=count, head=head, keys={"a": RING_KEY.audit_key}))

    async def test_without_a_ring_nothing_is_appended(self, url: str) -> None:
        """A process that holds no ring cannot write a log that nobody could verify."""
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


class TestHints:
    async def test_a_change_elsewhere_is_news(self, store: PostgresStore, other: PostgresStore) -> None:
        """Whoever waits for news is woken by another host's change, long before its patience ends."""
        await other.news(0.2)  # the first call begins to listen
        waiting = asyncio.create_task(other.news(60))
        await asyncio.sleep(0)

        await store.change(adding(KEY))

        async with asyncio.timeout(5):
            await waiting

    async def test_mw_04_without_notifications_the_poll_goes_on(self, store: PostgresStore, url: str) -> None:
        """A listener that was killed delays nothing: news is then only the passing of time."""
        await store.news(0.2)
        assert await sql(url, f"SELECT count(pg_terminate_backend(pid)) {OURS} AND query LIKE 'LISTEN%'")

        for _ in range(3):
            await store.news(0.01)
        await store.change(adding(KEY))

        assert 1 == (await store.changes(None)).revision

    async def test_who_wants_no_listener_has_none(self, url: str) -> None:
        """`?listen=off` spares the connection."""
        deaf = opened(f"{url}?listen=off")
        await deaf.news(0.05)

        assert 0 == await sql(url, f"SELECT count(*) {OURS}")
        await deaf.close()

    async def test_news_of_a_closed_store_is_a_wait(self, store: PostgresStore) -> None:
        """A poll that comes after the end neither fails nor spins."""
        await store.close()

        await store.news(0.01)

    async def test_a_hint_is_not_the_doorbell(self, store: PostgresStore, other: PostgresStore) -> None:
        """What was only heard of never keeps cached answers from being given: the doorbell tells of own changes."""
        await other.news(0.2)
        before = other.doorbell[0]

        await store.change(adding(KEY))
        await other.news(5)

        assert before == other.doorbell[0]


QUESTIONS: dict[str, Callable[[PostgresStore], Awaitable[object]]] = {
    "find": lambda store: store.find(KEY.id),
    "changes": lambda store: store.changes(0),
    "change": lambda store: store.change(putting(replace(KEY, name="Never"))),
    "remember_proof": lambda store: store.remember_proof(KEY.id, SECRET.hash, SECRET),
}


class TestFaults:
    async def test_a_killed_connection_is_unavailable_once(self, store: PostgresStore, url: str) -> None:
        """Whoever was in the midst is told so; the next finds a new connection."""
        await store.change(adding(KEY))

        async def work(transaction: Transaction) -> None:
            await transaction.put_key(replace(KEY, name="Half a change"))
            await sql(url, f"SELECT count(pg_terminate_backend(pid)) {OURS}")
            await transaction.put_key(replace(KEY, name="Never"))

        with pytest.raises(StoreUnavailable):
            await store.change(work)

        found = (await store.find(KEY.id)).record
        assert found is not None
        assert KEY.name == found.name
        await store.change(putting(replace(KEY, name="Changed")))

    async def test_a_restarted_server_is_met_again(self, distant: PostgresStore, network: Network) -> None:
        """When every connection has broken and come back, the store answers as before."""
        await distant.change(adding(KEY))
        network.go_down()
        for ask in QUESTIONS.values():
            with pytest.raises(StoreUnavailable):
                await ask(distant)

        network.recover()

        assert SECRET == (await distant.find(KEY.id)).secret

    @pytest.mark.parametrize("asked", ["find", "change"])
    async def test_sf_18_a_black_hole_is_unavailable_in_two_seconds(
        self, distant: PostgresStore, network: Network, asked: str
    ) -> None:
        """A database that says nothing at all, on open connections and on new ones, is not waited for."""
        await distant.change(adding(KEY))
        await asyncio.gather(*(distant.find(KEY.id) for _ in range(AT_ONCE)))  # several connections are open
        network.black_hole()

        for _ in range(2):  # first in the midst of a connection, then on the way to a new one
            async with asyncio.timeout(2):
                with pytest.raises(StoreUnavailable):
                    await QUESTIONS[asked](distant)

        network.recover()
        assert KEY.name == (await distant.find(KEY.id)).record.name  # type: ignore[union-attr] # it was added above
        await distant.change(putting(KEY))

    async def test_a_writer_that_vanished_does_not_lock_the_others_out(
        self, store: PostgresStore, distant: PostgresStore, network: Network, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server itself ends a change whose client is not heard of any more."""
        monkeypatch.setattr(
            "keyfob.store.postgres_transaction._BEGIN",
            PATIENT.replace("session_timeout = '10s'", "session_timeout = '200ms'"),
        )
        await store.change(adding(KEY))

        in_the_midst = asyncio.Event()

        async def work(transaction: Transaction) -> None:
            await transaction.put_key(replace(KEY, name="Never"))
            network.black_hole()
            in_the_midst.set()
            await transaction.put_key(replace(KEY, name="Never"))

        lost = asyncio.create_task(distant.change(work))
        await in_the_midst.wait()

        await store.change(putting(replace(KEY, name="Changed")))

        with pytest.raises(StoreUnavailable):
            await lost
        assert "Changed" == (await store.find(KEY.id)).record.name  # type: ignore[union-attr] # it was added above

    async def test_callers_that_leave_take_no_connection_with_them(self, store: PostgresStore, url: str) -> None:
        """However many requests are given up while they wait, the next is answered, on as few connections."""
        await store.change(adding(KEY))
        for _ in range(5):
            asking = [asyncio.create_task(store.find(KEY.id)) for _ in range(20)]
            await asyncio.sleep(0.002)
            for asked in asking:
                asked.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

        assert SECRET == (await store.find(KEY.id)).secret
        await until(lambda: sql(url, f"SELECT count(*) <= {2 * AT_ONCE} {OURS}"))

    async def test_a_connection_that_nobody_needs_is_closed(
        self, store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a while without questions the server is left alone; the next question connects anew."""
        monkeypatch.setattr("keyfob.store.postgres_connections.IDLE_LIMIT", 0.1)
        await store.find(KEY.id)

        await until(lambda: sql(url, f"SELECT count(*) = 0 {OURS}"))

        assert None is (await store.find(KEY.id)).record

    async def test_a_listener_that_goes_deaf_is_replaced(
        self, distant: PostgresStore, store: PostgresStore, network: Network, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A connection that only seems to be alive is found out, and the next one hears again."""
        monkeypatch.setattr("keyfob.store.postgres_hints.ALIVE_EVERY", 0.05)
        monkeypatch.setattr("keyfob.store.postgres_hints.RETRY_AFTER", 0.05)
        monkeypatch.setattr("keyfob.store.postgres_hints._CONNECT_LIMIT", 0.5)
        await distant.news(0.2)
        network.black_hole()
        await distant.news(0.8)
        network.recover()
        await distant.news(1)

        waiting = asyncio.create_task(distant.news(60))
        await asyncio.sleep(0)
        await store.change(adding(KEY))

        async with asyncio.timeout(5):
            await waiting

    async def test_a_cold_crowd_shares_a_few_connections(self, store: PostgresStore, url: str) -> None:
        """Two hundred questions at once are all answered, and the server sees four askers."""
        await store.change(adding(KEY))

        found = await asyncio.gather(*(store.find(KEY.id) for _ in range(200)))

        assert {SECRET} == {one.secret for one in found}
        assert AT_ONCE + 1 >= int(str(await sql(url, f"SELECT count(*) {OURS}")))

    def test_one_store_serves_several_event_loops(self) -> None:
        """A store that was used in one event loop goes on in the next, and in two at the same time."""

        async def rename(store: PostgresStore, *numbers: int) -> None:
            for number in numbers:
                await store.change(putting(key(number, name="Renamed")))

        async def prepared(store: PostgresStore) -> None:
            await store.change(adding(*(key(number) for number in range(4))))

        database = fresh_database()
        with asyncio.Runner() as runner:
            store = opened(runner.run(database.__aenter__()))
            asyncio.run(prepared(store))
            threads = [
                threading.Thread(target=lambda start=start: asyncio.run(rename(store, start, start + 2)))
                for start in (0, 1)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            views = asyncio.run(store.views(KeyQuery(TEAM.id, NOON)))
            runner.run(database.__aexit__(None, None, None))

        assert ["Renamed"] * 4 == [view.record.name for view in views]


class TestOpening:
    def test_nothing_is_asked_of_the_driver_before_it_is_needed(self) -> None:
        """Whoever keeps the keys in SQLite loads no driver of PostgreSQL."""
        program = "import sys, keyfob.runtime, keyfob.store.sqlite; print('asyncpg' in sys.modules)"

        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        assert "False\n" == told.stdout

    def test_without_the_extra_the_mend_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who asks for PostgreSQL without its driver is told what to install."""
        monkeypatch.setattr("keyfob.store.opening.find_spec", lambda _: None)

        with pytest.raises(ConfigError, match=r"keyfob\[postgres\]"):
            open_store("postgresql://user@host/db")

    def test_opening_connects_to_nobody(self) -> None:
        """A store that cannot be reached is made all the same: what needs it is answered 503."""
        assert not open_store("postgresql://user@127.0.0.1:1/db").applies_at_once

    @pytest.mark.parametrize(
        ("url", "dsn", "listens"),
        [
            ("postgresql://u:p@h/db", "postgresql://u:p@h/db", True),
            ("postgres://u@h/db", "postgresql://u@h/db", True),
            ("postgresql://u@h/db?listen=off", "postgresql://u@h/db", False),
            ("postgresql://u@h/db?listen=on&sslmode=require", "postgresql://u@h/db?sslmode=require", True),
            ("postgresql://u@h,i/db?sslmode=require&listen=off", "postgresql://u@h,i/db?sslmode=require", False),
        ],
    )
    def test_addresses(self, url: str, dsn: str, listens: bool) -> None:  # noqa: FBT001 (a parameter of the test)
        """What is Keyfob's own in the address stays here, the rest goes to the driver as it is."""
        address = read_address(url)

        assert (dsn, listens) == (address.dsn, address.listens)
        assert "p@" not in address.shown

    def test_a_host_that_cannot_be_read_is_refused(self) -> None:
        """What is no address at all is a ConfigError."""
        with pytest.raises(ConfigError, match="host"):
            open_store("postgresql://[u@h/db")

    def test_a_listen_that_is_neither_is_refused(self) -> None:
        """A mistyped switch is not taken for one of its positions."""
        with pytest.raises(ConfigError, match="listen"):
            open_store("postgresql://u@h/db?listen=maybe")

    async def test_a_failure_tells_no_password(self, url: str) -> None:
        """Neither the store nor its failures show what is secret in its address."""
        wrong = url.replace("keyfob@", "nobody:hunter2@")
        store = opened(wrong)

        with pytest.raises(StoreUnavailable) as failed:
            await store.find(KEY.id)
        with pytest.raises(ConfigError) as unmade:
            open_store(wrong, create=True)

        assert "hunter2" not in f"{failed.value}{unmade.value}{read_address(wrong)!r}"
        await store.close()

    async def test_a_database_without_the_schema_says_so(self) -> None:
        """Before `keyfob db migrate`, every question is answered by what is to be done."""
        async with fresh_database(empty=True) as url:
            store = opened(url)
            with pytest.raises(NotMigrated, match="db migrate"):
                await store.find(KEY.id)

            made = open_store(url, seal_with=lambda: RING_KEY, create=True)
            await made.change(appending(event()))

            assert 1 == (await store.audit_head())[0]
            await store.close()
            await made.close()
