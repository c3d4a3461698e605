"""What every store promises of quotas."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keyfob.store.contract.quotas import Batch, CountedPeriod, Lease, QuotaUse, Settlement

if TYPE_CHECKING:
    from keyfob.store.contract.key_store import KeyStore

BEGINS, ENDS = 1_925_000_000, 1_927_600_000
KEY = CountedPeriod("key/7Qx2mB9tKd03LpWz", BEGINS, ENDS)
TEAM = CountedPeriod("team/ours", BEGINS, ENDS)


def batch(number: int, *settlements: Settlement, worker: str = "w") -> Batch:
    return Batch(worker, number, settlements, BEGINS)


async def granted(store: KeyStore, least: int = 1, most: int = 1, amount: int = 10) -> int:
    return (await store.quotas.lease(KEY, amount=amount, least=least, most=most)).granted


class QuotaContract:
    """What is used and what is leased never exceed the amount."""

    async def test_no_more_is_leased_than_the_amount(self, store: KeyStore, other: KeyStore) -> None:
        """Portions are as large as was asked for, smaller near the end, and nothing beyond."""
        found = [await store.quotas.lease(KEY, amount=1000, least=1, most=10) for _ in range(2)]
        assert [Lease(10, 10), Lease(10, 20)] == found

        late = await other.quotas.lease(KEY, amount=100, least=3, most=10)
        last = [await granted(other, most=10, amount=25), await granted(other, least=3, most=3, amount=25)]

        assert (Lease(3, 23), [1, 0]) == (late, last)

    async def test_what_is_needed_is_granted_whole_or_not_at_all(self, store: KeyStore) -> None:
        """Where less is left than is needed, it stays for others."""
        assert [0, 10, 0] == [await granted(store, least=many, most=many) for many in (11, 10, 1)]

    async def test_workers_that_lease_at_once_never_exceed_the_amount(self, store: KeyStore, other: KeyStore) -> None:
        """Of forty requests for two each, from two processes, as many are granted as there is room for."""
        found = await asyncio.gather(*(granted(one, 2, 2, 31) for one in (store, other) * 20))

        assert [0] * 25 + [2] * 15 == sorted(found)

    async def test_every_subject_and_period_is_counted_by_itself(self, store: KeyStore) -> None:
        """Key and team, a month and its first day."""
        others = [TEAM, KEY._replace(ends=BEGINS + 86_400), KEY._replace(begins=ENDS, ends=ENDS + 1)]
        found = [await store.quotas.lease(one, amount=5, least=5, most=5) for one in (KEY, *others)]

        assert [Lease(5, 5)] * 4 == found

    async def test_what_was_used_is_known_to_all_and_what_was_not_returns(
        self, store: KeyStore, other: KeyStore
    ) -> None:
        """A settlement says how much of a lease was used, and gives back the rest."""
        await granted(store, 10, 10)
        await store.quotas.lease(TEAM, amount=9, least=9, most=9)
        await store.quotas.settle(batch(1, Settlement(KEY, 3, 0), Settlement(TEAM, 4, 5)))
        assert ([3, 4], 0) == ([await other.quotas.used(one) for one in (KEY, TEAM)], await granted(other))

        await store.quotas.settle(batch(2, Settlement(KEY, 1, 6)))

        assert [6, 0] == [await granted(other, 6, 6), await granted(other)]
        assert 4 == await other.quotas.used(KEY)

    async def test_a_batch_that_is_sent_again_changes_nothing(self, store: KeyStore, other: KeyStore) -> None:
        """Who does not know whether a batch was applied sends it again; each worker has numbers of its own."""
        await granted(store, 10, 10)
        for one in (batch(1, Settlement(KEY, 1, 2)), batch(1, Settlement(KEY, 1, 2)), batch(0, Settlement(KEY, 1, 2))):
            await store.quotas.settle(one)
        assert (1, [2, 0]) == (await other.quotas.used(KEY), [await granted(other, 2, 2), await granted(other)])

        await other.quotas.settle(batch(1, Settlement(KEY, 2, 0), worker="another"))

        assert 3 == await store.quotas.used(KEY)

    async def test_batches_of_the_same_rows_do_not_wait_for_each_other(self, store: KeyStore, other: KeyStore) -> None:
        """Two workers settle many rows at once, in whatever order they name them."""
        counted = [KEY._replace(subject=f"key/{number}") for number in range(20)]
        for one in counted:
            await store.quotas.lease(one, amount=40, least=40, most=40)
        ways = [(store, "a", counted), (other, "b", counted[::-1])] * 10
        batches = [
            (way, batch(number, *(Settlement(one, 1, 1) for one in order), worker=worker))
            for number, (way, worker, order) in enumerate(ways)
        ]

        for two in zip(batches[::2], batches[1::2], strict=True):
            await asyncio.gather(*(way.quotas.settle(one) for way, one in two))

        assert [20] * 20 == [await store.quotas.used(one) for one in counted]

    async def test_an_unknown_period_has_no_use(self, store: KeyStore) -> None:
        """Nothing was leased, so nothing was used; a settlement of what is gone is no error."""
        await store.quotas.settle(batch(1, Settlement(KEY, 1, 1)))

        assert 0 == await store.quotas.used(KEY)

    async def test_what_is_used_and_held_in_the_present_is_listed(self, store: KeyStore, other: KeyStore) -> None:
        """Periods that are over, or begin later, are none; who settled last is known once somebody has."""
        before = await store.quotas.last_settlement()
        for one in (KEY, TEAM, KEY._replace(begins=ENDS, ends=ENDS + 10)):
            await store.quotas.lease(one, amount=5, least=5, most=5)
        await store.quotas.settle(batch(1, Settlement(KEY, 1, 1)))

        assert {QuotaUse(KEY, 1, 3), QuotaUse(TEAM, 0, 5)} == set(await other.quotas.at(BEGINS))
        assert ([], None, BEGINS) == (await other.quotas.at(BEGINS - 1), before, await other.quotas.last_settlement())

    async def test_periods_that_are_over_are_forgotten(self, store: KeyStore) -> None:
        """What ended before is deleted, with the workers that have not settled since; what goes on stays."""
        later = KEY._replace(begins=ENDS, ends=ENDS + 10)
        for one in (KEY, later):
            await store.quotas.lease(one, amount=5, least=5, most=5)
        await store.quotas.settle(batch(1, Settlement(KEY, 1, 1), Settlement(later, 1, 1)))

        await store.quotas.forget(ENDS + 1)
        await store.quotas.settle(batch(1, Settlement(later, 1, 1)))  # the worker is not known any more

        assert [0, 2] == [await store.quotas.used(one) for one in (KEY, later)]
