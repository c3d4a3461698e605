"""Connections that break, hang, are left or are too many."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.store.contract.key_store import KeyQuery
from keyfob.store.postgres import transaction as postgres_transaction
from keyfob.store.postgres.connections import AT_ONCE
from tests.keyfob.store.postgres.on_postgres import OURS, distant, network, opened, sql, store, until, url
from tests.keyfob.store.samples import KEY, NOON, SECRET, TEAM, adding, key, putting
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.postgres.store import PostgresStore
    from tests.tcp_proxy import Network

__all__ = ["distant", "network", "store", "url"]  # fixtures of this store's tests

PATIENT = postgres_transaction._BEGIN
QUESTIONS: dict[str, Callable[[PostgresStore], Awaitable[object]]] = {
    "find": lambda store: store.find(KEY.id),
    "changes": lambda store: store.changes(0),
    "change": lambda store: store.change(putting(replace(KEY, name="Never"))),
    "save_digest": lambda store: store.save_digest(KEY.id, SECRET.hash, SECRET),
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
            "keyfob.store.postgres.transaction._BEGIN",
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
        monkeypatch.setattr("keyfob.store.postgres.connections.IDLE_LIMIT", 0.1)
        await store.find(KEY.id)

        await until(lambda: sql(url, f"SELECT count(*) = 0 {OURS}"))

        assert None is (await store.find(KEY.id)).record

    async def test_what_connects_while_the_store_closes_is_closed(self, store: PostgresStore, url: str) -> None:
        """A question that was on its way to a connection when its store was closed leaves none behind."""
        asking = [asyncio.create_task(store.find(KEY.id)) for _ in range(AT_ONCE)]
        await asyncio.sleep(0)
        await store.close()
        assert {None} == {found.record for found in await asyncio.gather(*asking)}

        async with asyncio.timeout(20):
            await until(lambda: sql(url, f"SELECT count(*) = 0 {OURS}"))

    async def test_a_listener_that_goes_deaf_is_replaced(
        self, distant: PostgresStore, store: PostgresStore, network: Network, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A connection that only seems to be alive is found out, and the next one hears again."""
        monkeypatch.setattr("keyfob.store.postgres.notifications.ALIVE_EVERY", 0.05)
        monkeypatch.setattr("keyfob.store.postgres.notifications.RETRY_AFTER", 0.05)
        monkeypatch.setattr("keyfob.store.postgres.notifications._CONNECT_LIMIT", 0.5)
        await distant.wait_for_changes(0.2)
        network.black_hole()
        await distant.wait_for_changes(0.8)
        network.recover()
        await distant.wait_for_changes(1)

        waiting = asyncio.create_task(distant.wait_for_changes(60))
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
