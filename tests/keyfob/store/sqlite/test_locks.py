"""Whoever writes waits for its turn, and keeps nobody out."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.store.contract.key_store import KeyQuery, Use
from tests.keyfob.store.samples import KEY, NOON, SECRET, TEAM, adding, erasing, key, putting
from tests.keyfob.store.sqlite.on_sqlite import other, path, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.sqlite.store import SQLiteStore

__all__ = ["other", "path", "store"]  # fixtures of this store's tests


class TestLocks:
    async def test_a_lock_held_by_others_is_waited_for_and_then_unavailable(
        self, store: SQLiteStore, path: Path
    ) -> None:
        """SF-05: while somebody else writes, changes fail in bounded time, reads go on, and later all is well."""
        await store.change(adding(KEY))
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
                await store.change(erasing(KEY.id))
            assert SECRET == (await store.find(KEY.id)).secret
            holder.execute("ROLLBACK")

        await store.change(erasing(KEY.id))
        assert None is (await store.find(KEY.id)).secret

    async def test_whoever_writes_almost_without_a_pause_keeps_nobody_out(self, store: SQLiteStore, path: Path) -> None:
        """SF-05: beside another writer whose slow disk leaves the lock free for instants, every change gets through."""
        enough = threading.Event()

        def write_without_end() -> None:
            with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as holder:
                while not enough.wait(0.002):
                    with suppress(sqlite3.OperationalError):
                        holder.execute("BEGIN IMMEDIATE")
                        time.sleep(0.1)
                        holder.execute("ROLLBACK")

        writing = asyncio.create_task(asyncio.to_thread(write_without_end))
        try:
            for number in range(16):
                await store.change(adding(key(number)))
                await asyncio.sleep(0.02)  # until the other one writes again
        finally:
            enough.set()
            await writing

        assert 16 == len(await store.views(KeyQuery(TEAM.id, NOON)))

    async def test_cancelled_begins_leave_no_transaction_open(self, store: SQLiteStore, path: Path) -> None:
        """Callers cancelled at any point while another process holds the lock shut out no writer afterwards."""
        await store.change(adding(*(key(number) for number in range(30))))
        chance = random.Random(20310504)  # noqa: S311 (which callers are cancelled when; no secret)
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            callers = [asyncio.create_task(store.change(putting(key(n, name="Changed")))) for n in range(30)]
            for caller in callers:
                await asyncio.sleep(chance.random() / 200)
                caller.cancel()
            ended = await asyncio.gather(*callers, return_exceptions=True)
            holder.execute("ROLLBACK")
        assert {asyncio.CancelledError} == {type(end) for end in ended}

        await store.change(putting(key(0, name="Changed")))
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as writer:
            writer.execute("BEGIN IMMEDIATE")

    def test_a_loop_that_ends_in_the_midst_leaves_no_transaction_open(self, store: SQLiteStore, path: Path) -> None:
        """When the whole event loop is shut down during changes, each is made or not, and nobody is locked out."""
        asyncio.run(store.change(adding(*(key(number) for number in range(10)))))

        async def leave_in_the_midst() -> None:
            begun = asyncio.Event()

            async def dawdle(transaction: Transaction) -> None:
                await transaction.put_key(key(0, name="Half a change"))
                begun.set()
                await asyncio.sleep(30)

            dawdling = asyncio.create_task(store.change(dawdle))
            await begun.wait()
            waiting = asyncio.create_task(store.change(putting(key(1, name="Changed"))))
            await asyncio.sleep(0)
            assert {False} == {dawdling.done(), waiting.done()}

        asyncio.run(leave_in_the_midst())
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            assert [("Key 000",)] == writer.execute("SELECT name FROM keys WHERE id = ?", (key(0).id,)).fetchall()

    async def test_a_commit_of_uncertain_fate_makes_everyone_look(self, store: SQLiteStore, other: SQLiteStore) -> None:
        """Where the writer was stopped in a change, the change signal shows a number that no other change will show."""
        await other.changes(None)
        seen = {other.change_signal.read()}

        async def fail(transaction: Transaction) -> None:
            await transaction.next_revision()
            raise ZeroDivisionError

        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await store.change(fail)
            seen.add(other.change_signal.read())

        assert 4 == len(seen)

    def test_one_store_serves_several_event_loops(self, store: SQLiteStore) -> None:
        """A store that was used in one event loop goes on in the next, and in two at the same time."""
        asyncio.run(store.change(adding(*(key(number) for number in range(4)))))

        async def rename(numbers: Iterator[int]) -> None:
            for number in numbers:
                await store.change(putting(key(number, name="Renamed")))

        threads = [
            threading.Thread(target=lambda start=start: asyncio.run(rename(iter(range(start, 4, 2)))))
            for start in (0, 1)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        views = asyncio.run(store.views(KeyQuery(TEAM.id, NOON)))
        assert ["Renamed"] * 4 == [view.record.name for view in views]

    async def test_a_change_that_waits_too_long_for_its_turn_is_unavailable(
        self, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Behind a change that does not end, the next is told so instead of waiting for ever."""
        monkeypatch.setattr("keyfob.store.sqlite.store.TURN_TIMEOUT", 0.01)
        go_on = asyncio.Event()
        slow = asyncio.create_task(store.change(lambda _: go_on.wait()))
        await asyncio.sleep(0.05)

        with pytest.raises(StoreUnavailable):
            await store.change(adding(KEY))

        go_on.set()
        await slow

    async def test_use_is_written_beside_a_change_in_the_making(self, store: SQLiteStore) -> None:
        """A flush of usage waits for the change before it instead of failing."""
        await store.change(adding(KEY))
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def work(transaction: Transaction) -> None:
            await transaction.put_key(KEY)
            begun.set()
            await go_on.wait()

        change = asyncio.create_task(store.change(work))
        await begun.wait()
        flush = asyncio.create_task(store.add_usage({KEY.id: Use(NOON, None)}))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(change, flush)

        view = await store.view(KEY.id)
        assert view is not None
        assert view.last_used is not None
