"""What every store promises of usage in detail."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import ADDRESSES, OTHERS, Details, Source, Tally, UseHour, UseRow
from tests.keyfob.store.samples import KEY, NOON, TODAY, adding, erasing, key

if TYPE_CHECKING:
    from keyfob.store.contract.key_store import KeyStore

DAY = TODAY.toordinal()
YESTERDAY = TODAY - timedelta(days=1)


def use(details: Details) -> Use:
    return Use(NOON, None, {TODAY: 1}, {}, details)


def seen(number: int, *, at: int, admitted: int = 1, day: date = TODAY) -> Details:
    address = f"10.0.{number // 256}.{number % 256}"
    return {Source(day.toordinal(), address, "GET /a", ""): Tally(at, at, admitted=admitted)}


class UseDetailContract:
    """By rule, address and reason."""

    async def test_details_add_up_over_batches_and_workers(self, store: KeyStore, other: KeyStore) -> None:
        """Counts grow, the first time stays and the last one moves, whatever the order of arrival."""
        await store.change(adding(KEY, key(1)))
        source = Source(DAY, "192.0.2.1", "GET /a", "")
        denied = Source(DAY, "192.0.2.2", "", "no_rule")
        await store.add_usage({KEY.id: use({source: Tally(20, 30, admitted=2), denied: Tally(25, 25, denied=1)})})
        await other.add_usage({KEY.id: use({source: Tally(10, 15, admitted=1)}), key(1).id: use(seen(1, at=1))})

        table = store.use_details

        summed = Tally(10, 30, admitted=3)
        assert [UseRow("192.0.2.1", summed), UseRow("192.0.2.2", Tally(25, 25, denied=1))] == sorted(
            await table.by_address(KEY.id, TODAY), key=lambda row: row.label
        )
        assert [UseRow("", Tally(25, 25, denied=1)), UseRow("GET /a", summed)] == sorted(
            await table.by_rule(KEY.id, TODAY), key=lambda row: row.label
        )
        assert [UseRow("no_rule", Tally(25, 25, denied=1))] == await table.by_reason(KEY.id, TODAY)
        assert [("GET /a", "192.0.2.1", summed)] == await table.pairs(KEY.id, TODAY)
        assert [] == await table.by_rule(KEY.id, TODAY + timedelta(days=1))

    async def test_a_flood_of_addresses_is_bounded_rows(self, store: KeyStore) -> None:
        """Of 10,000 addresses of one key the most used stay apart, the others are one, and no use is lost."""
        await store.change(adding(KEY))
        await store.add_usage({KEY.id: use(seen(1, at=1, admitted=9_000))})
        for start in range(0, 10_000, 100):
            flood: Details = {}
            for number in range(start, start + 100):
                flood |= seen(number + 300, at=number + 2)
            await store.add_usage({KEY.id: use(flood)})

        rows = {row.label: row.tally for row in await store.use_details.by_address(KEY.id, TODAY)}
        pairs = await store.use_details.pairs(KEY.id, TODAY)

        assert ADDRESSES + 1 == len(rows)
        assert len(pairs) <= 2 * ADDRESSES + 1
        assert 9_000 == rows["10.0.0.1"].admitted
        assert 19_000 == sum(tally.admitted for tally in rows.values()) == sum(tally.admitted for *_, tally in pairs)
        assert (2, 10_001) == (rows[OTHERS].first, max(tally.last for tally in rows.values()))

    async def test_an_address_that_comes_late_and_seldom_is_seen_in_the_end(self, store: KeyStore) -> None:
        """It is stored while it is among the latest, until it is among the most used."""
        await store.change(adding(KEY))
        busy: Details = {}
        for number in range(2 * ADDRESSES):
            busy |= seen(number, at=number, admitted=5)
        await store.add_usage({KEY.id: use(busy)})
        for second in range(10):
            await store.add_usage({KEY.id: use(seen(1_000, at=1_000 + second))})

        rows = {row.label: row.tally.admitted for row in await store.use_details.by_address(KEY.id, TODAY)}

        assert 10 == rows["10.0.3.232"]

    async def test_days_are_folded_apart(self, store: KeyStore) -> None:
        """The busiest of one day are told apart, though another day has others."""
        await store.change(adding(KEY))
        for offset, day in ((0, YESTERDAY), (500, TODAY)):
            many: Details = {}
            for number in range(ADDRESSES + 1):
                many |= seen(offset + number, at=1, day=day)
            await store.add_usage({KEY.id: use(many)})

        assert 2 * ADDRESSES + 1 == len(await store.use_details.by_address(KEY.id, YESTERDAY))

    async def test_details_go_with_age_and_with_their_key(self, store: KeyStore) -> None:
        """What is older than asked is deleted; a deleted key leaves none, and late ones are dropped."""
        await store.change(adding(KEY, key(1)))
        await store.add_usage(
            {KEY.id: use(seen(1, at=1) | seen(2, at=1, day=YESTERDAY)), key(1).id: use(seen(1, at=1))}
        )

        await store.use_details.forget(TODAY)
        await store.change(erasing(key(1).id))
        await store.add_usage({key(1).id: use(seen(1, at=2))})

        assert ["10.0.0.1"] == [row.label for row in await store.use_details.by_address(KEY.id, YESTERDAY)]
        assert [] == await store.use_details.by_address(key(1).id, YESTERDAY)

    async def test_hours_add_up_and_take_the_room_of_the_day_before(self, store: KeyStore, other: KeyStore) -> None:
        """Counts of one hour grow over workers; a later day's hour takes its row, and an earlier one's is dropped."""
        await store.change(adding(KEY, key(1)))
        await store.add_usage(
            {KEY.id: Use(hours={100: (1, 2, 3), 101: (5, 0, 0)}), key(1).id: Use(hours={100: (9, 9, 9)})}
        )
        await other.add_usage({KEY.id: Use(hours={100: (10, 20, 30)})})
        table = store.use_details
        assert [UseHour(100, 11, 22, 33), UseHour(101, 5, 0, 0)] == await table.by_hour(KEY.id, 100)

        await store.add_usage({KEY.id: Use(hours={124: (4, 0, 0)})})
        await other.add_usage({KEY.id: Use(hours={100: (1, 1, 1)})})
        assert [UseHour(101, 5, 0, 0), UseHour(124, 4, 0, 0)] == await table.by_hour(KEY.id, 0)

        await store.change(erasing(key(1).id))
        await store.add_usage({key(1).id: Use(hours={100: (9, 9, 9)})})
        assert [] == await table.by_hour(key(1).id, 0)
