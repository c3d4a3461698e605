"""What the portions of several processes come to, whatever store they are leased from."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import LimitsUnavailable, StoreUnavailable
from keyfob.keys.quota import Every, period_of
from keyfob.limits.purses import Purse
from keyfob.limits.quota_book import IDLE, QuotaBook
from keyfob.store.contract.quotas import CountedPeriod

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.quotas import Batch

NOON = datetime(2031, 5, 4, 12, tzinfo=UTC).timestamp()
MONTH = period_of(Every.MONTH, NOON)


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def purse(amount: int, of: str = "key/k1", every: Every = Every.MONTH) -> Purse:
    return Purse(of, f"quota-{every}", amount, every)


async def taken(book: QuotaBook, purses: tuple[Purse, ...], count: int, cost: int = 1) -> int:
    """How many of *count* requests at once find room."""
    outcomes = await asyncio.gather(*(book.acquire(purses, cost) for _ in range(count)))
    return sum(outcome.has_room for outcome in outcomes)


async def used(store: KeyStore, of: str = "key/k1") -> int:
    return await store.quotas.used(CountedPeriod(of, *MONTH))


class QuotaBookContract:
    """Inherited by the tests of each store, which give `store` and `other`."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def new_book(self, store: KeyStore, clock: Clock) -> Callable[[], QuotaBook]:
        """Makes books, each like that of a process of its own."""
        return lambda: QuotaBook(store.quotas, clock=clock, monotonic=clock)

    async def test_several_processes_never_exceed_the_amount(self, new_book: Callable[[], QuotaBook]) -> None:
        """Together they let pass exactly as much as there is, in whatever portions they hold it."""
        found = await asyncio.gather(*(taken(new_book(), (purse(150),), 60) for _ in range(4)))

        assert 150 == sum(found)

    async def test_a_portion_is_a_hundredth(self, store: KeyStore, new_book: Callable[[], QuotaBook]) -> None:
        """So much is leased at once; the next requests wait for nothing, and the use is known when it is settled."""
        book, purses = new_book(), (purse(1000),)
        assert book.take(purses, 1) is None
        await book.acquire(purses, 1)

        held = [book.take(purses, 1) for _ in range(9)]

        assert None not in held
        assert book.take(purses, 1) is None
        assert [990] == [standing.remaining for standing in held[-1].standings] if held[-1] else False
        await book.settle()
        assert 10 == await used(store)

    async def test_what_is_not_used_returns_when_idle(
        self, store: KeyStore, new_book: Callable[[], QuotaBook], clock: Clock
    ) -> None:
        """After five seconds without a request others can have it, and not before."""
        idle, busy, purses = new_book(), new_book(), (purse(100),)
        assert 1 == await taken(idle, purses, 1, cost=60)
        idle.give_back(await idle.acquire(purses, 40), 40)
        clock.now += IDLE - 1
        await idle.settle()
        assert 0 == await taken(busy, purses, 1)
        clock.now += 1
        await idle.settle()

        assert (40, 60) == (await taken(busy, purses, 50), await used(store))

    async def test_what_is_not_used_returns_at_shutdown(
        self, store: KeyStore, new_book: Callable[[], QuotaBook]
    ) -> None:
        """A process that ends in good order leaves nothing leased."""
        ending, purses = new_book(), (purse(1000),)
        await ending.acquire(purses, 3)
        await ending.drain()

        assert 997 == await taken(new_book(), purses, 997)
        assert 3 == await used(store)

    async def test_a_killed_process_loses_its_portion(self, new_book: Callable[[], QuotaBook], clock: Clock) -> None:
        """What it held stays leased until the period ends: no more than a hundredth, and nothing is exceeded."""
        await new_book().acquire((purse(1000),), 1)

        assert [990, 0] == [await taken(new_book(), (purse(1000),), 1000) for _ in range(2)]
        clock.now = float(MONTH.ends)
        assert 1000 == await taken(new_book(), (purse(1000),), 1001)

    async def test_periods_begin_in_utc(self, new_book: Callable[[], QuotaBook], clock: Clock) -> None:
        """A month lasts until its last second has passed, and the next has all of its amount."""
        book, purses = new_book(), (purse(5), purse(4, every=Every.DAY))
        assert 4 == await taken(book, purses, 6)
        clock.now = datetime(2031, 5, 5, tzinfo=UTC).timestamp()
        assert 1 == await taken(book, purses, 6)
        clock.now = MONTH.ends - 0.001
        assert 0 == await taken(book, purses, 1)
        clock.now = float(MONTH.ends)

        assert 4 == await taken(book, purses, 6)

    async def test_what_is_leased_too_late_returns(self, new_book: Callable[[], QuotaBook], clock: Clock) -> None:
        """A lease that arrives when its period is over is given back to that period, not used in the next."""
        book, purses = new_book(), (purse(100),)
        waiting = asyncio.create_task(book.acquire(purses, 60))
        await asyncio.sleep(0)
        clock.now = float(MONTH.ends)
        assert book.take(purses, 1) is None
        await waiting
        await book.drain()
        clock.now = NOON

        assert 100 == await taken(new_book(), purses, 101)

    async def test_all_purses_have_room_or_nothing_is_taken(
        self, store: KeyStore, new_book: Callable[[], QuotaBook]
    ) -> None:
        """A request that the team has no room for takes nothing from its key."""
        book, purses = new_book(), (purse(5), purse(2, "team/ours"))
        assert 2 == await taken(book, purses, 5)
        await book.drain()

        assert [2, 2] == [await used(store), await used(store, "team/ours")]
        assert 3 == await taken(book, (purse(5),), 5)

    async def test_a_cost_that_does_not_fit_takes_nothing(self, new_book: Callable[[], QuotaBook]) -> None:
        """What is left stays for requests that cost less."""
        book, purses = new_book(), (purse(10),)
        found = [await taken(book, purses, 1, cost=cost) for cost in (8, 3, 2, 1)]

        assert [1, 0, 1, 0] == found
        await book.acquire((purse(1000, "key/k2"),), 8)
        assert book.take((purse(1000, "key/k2"),), 3) is None  # of the portion, only two are left

    async def test_a_lower_amount_holds_at_once(self, new_book: Callable[[], QuotaBook]) -> None:
        """A portion that was leased under a larger amount is not used under the smaller one."""
        book = new_book()
        assert 1 == await taken(book, (purse(10_000),), 1)
        found = await taken(book, (purse(5),), 9)
        await book.settle()

        assert (0, 4) == (found, await taken(book, (purse(5),), 9) + await taken(new_book(), (purse(5),), 9))

    async def test_a_larger_amount_has_more_room_at_once(self, new_book: Callable[[], QuotaBook]) -> None:
        """That there was nothing left of the smaller amount says nothing of the larger one."""
        book = new_book()
        assert 3 == await taken(book, (purse(3),), 5)

        assert 2 == await taken(book, (purse(5),), 5)

    async def test_an_exhausted_quota_is_not_asked_for_with_every_request(
        self, store: KeyStore, new_book: Callable[[], QuotaBook], clock: Clock
    ) -> None:
        """A refusal is believed for a second, so that a flood of requests is none of writes."""
        book, purses = new_book(), (purse(1),)
        await taken(book, purses, 2)
        outcome = book.take(purses, 1)
        assert outcome is not None
        assert not outcome.has_room
        clock.now += 1

        assert book.take(purses, 1) is None
        await book.settle()
        assert 1 == await used(store)

    async def test_a_store_that_is_away_is_noticed_when_the_portion_is_spent(
        self, store: KeyStore, new_book: Callable[[], QuotaBook], clock: Clock
    ) -> None:
        """What is held can still be used, however long it was idle; what is spent cannot be had again."""
        book, purses = new_book(), (purse(200),)
        await book.acquire(purses, 1)
        await store.close()
        clock.now += 2 * IDLE
        with pytest.raises(StoreUnavailable):
            await book.settle()
        last = await book.acquire(purses, 1)
        assert last.has_room
        with pytest.raises(LimitsUnavailable):
            await book.acquire(purses, 1)
        store.open()
        await book.settle()

        assert (198, 2) == (await taken(book, purses, 300), await used(store))

    async def test_a_batch_that_may_have_been_written_is_sent_again_as_it_was(
        self, store: KeyStore, new_book: Callable[[], QuotaBook], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So nothing returns twice, and what it gives back is out of reach meanwhile."""
        book, purses, settle = new_book(), (purse(1000),), store.quotas.settle
        await new_book().acquire(purses, 1)  # another process, whose portion must not return
        await book.acquire(purses, 4)

        async def cut_off(batch: Batch) -> None:
            await settle(batch)
            raise StoreUnavailable("the answer was lost")

        monkeypatch.setattr(store.quotas, "settle", cut_off)
        await book.drain()
        assert book.take(purses, 1) is None
        monkeypatch.undo()
        await book.drain()

        assert (986, 4) == (await taken(book, purses, 1000), await used(store))

    async def test_a_request_that_leaves_loses_nothing(self, new_book: Callable[[], QuotaBook]) -> None:
        """The portion that it was waiting for is kept for the next one."""
        book, purses = new_book(), (purse(1000),)
        leaving = asyncio.create_task(book.acquire(purses, 1))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)

        assert 1000 == await taken(book, purses, 1001)

    async def test_another_database_knows_nothing_of_the_portions(
        self, store: KeyStore, new_book: Callable[[], QuotaBook]
    ) -> None:
        """What was leased from the database that was replaced is neither used nor given back to the new one."""
        book, purses = new_book(), (purse(1000),)
        await book.acquire(purses, 1)
        book.forget()
        assert book.take(purses, 1) is None
        await book.drain()

        assert 0 == await used(store)
        assert 990 == await taken(book, purses, 1000)
