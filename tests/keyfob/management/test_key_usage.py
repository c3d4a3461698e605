"""Usage in groups, as people read it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Invalid
from keyfob.management.key_usage import UsageRow
from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import OTHERS, Source, Tally, UseHour
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office

MICROS = int(START.timestamp() * 1_000_000)
DAY = START.date()


async def used(office: Office, key_id: str, day: date = DAY) -> None:
    def source(address: str, rule: str = "GET /a", reason: str = "") -> Source:
        return Source(day.toordinal(), address, rule, reason)

    later = MICROS + 1_000_000
    details = {
        source("192.0.2.1"): Tally(MICROS, later, admitted=3),
        source(""): Tally(MICROS, MICROS, admitted=1),
        source(OTHERS): Tally(MICROS, MICROS, admitted=4),
        source("192.0.2.1", "", "no_rule"): Tally(later, later, denied=2),
    }
    await office.store.add_usage({key_id: Use(START, None, {day: 8}, {day: 2}, details)})


async def test_rows_are_grouped_and_named_for_people(office: Office) -> None:
    """The most frequent comes first; what has no name in the tables gets one."""
    key = (await office.key()).view.record
    await used(office, key.id)
    later = START + timedelta(seconds=1)

    async def rows(by: str) -> list[UsageRow]:
        return await office.keys.usage.rows("a", key.id, by, actor=ROOT)

    assert [
        UsageRow("192.0.2.1", 3, 2, 0, START, later),
        UsageRow("others", 4, 0, 0, START, START),
        UsageRow("unknown", 1, 0, 0, START, START),
    ] == await rows("address")
    assert [UsageRow("GET /a", 8, 0, 0, START, later), UsageRow("no rule", 0, 2, 0, later, later)] == await rows("rule")
    assert [UsageRow("no_rule", 0, 2, 0, later, later)] == await rows("reason")


async def test_rows_go_back_as_far_as_asked(office: Office) -> None:
    """A day before the period is left out."""
    key = (await office.key()).view.record
    await used(office, key.id, DAY - timedelta(days=2))

    assert [] == await office.keys.usage.rows("a", key.id, "reason", 2, actor=ROOT)
    assert 1 == len(await office.keys.usage.rows("a", key.id, "reason", 3, actor=ROOT))


@pytest.mark.parametrize("by", ["", "key", "Rule"])
async def test_there_are_three_groupings(office: Office, by: str) -> None:
    """Another one is invalid."""
    key = (await office.key()).view.record

    with pytest.raises(Invalid):
        await office.keys.usage.rows("a", key.id, by, actor=ROOT)


async def test_each_of_the_last_hours_is_there(office: Office) -> None:
    """Twenty-four hours, this one last; hours without use are zero."""
    key = (await office.key()).view.record
    now = MICROS // 3_600_000_000
    await office.store.add_usage({key.id: Use(hours={now: (3, 1, 0), now - 23: (2, 0, 5)})})

    hours = await office.keys.usage.hours("a", key.id, actor=ROOT)

    assert list(range(now - 23, now + 1)) == [hour.hour for hour in hours]
    assert {0: UseHour(now - 23, 2, 0, 5), 23: UseHour(now, 3, 1)} == {
        place: hour for place, hour in enumerate(hours) if hour.total
    }
