"""What is told apart in memory, and what a flood is folded into."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.gate import usage as usage_module
from keyfob.gate.pending_use import MOST_CELLS, NO_CELL, Budget, PendingUse
from keyfob.gate.stats import Stats
from keyfob.gate.usage import Usage
from keyfob.gate.verdict import Reason
from keyfob.store.contract.use_details import OTHERS, Source, Tally
from tests.keyfob.gate.test_usage import DAY, NOON, Sink

AT = NOON.timestamp()
MICROS = int(AT * 1_000_000)
TODAY = DAY.toordinal()


class Keeping:
    """Keeps the cell of its last request."""

    cell = NO_CELL


def used(
    pending: PendingUse, ip: str | None, at: float, *, rule: str = "GET /a", reason: str = "", by: Keeping | None = None
) -> None:
    pending.count(rule, ip, reason, at, is_use=True, keeper=by)


def begun(budget: int = 1_000_000) -> PendingUse:
    return PendingUse(int(AT // 86_400), Budget(budget))


async def test_rules_addresses_and_reasons_are_told_apart() -> None:
    """Each has its count, with the first and the last time."""
    usage, sink = Usage(Stats()), Sink()
    for second, rule in enumerate(("GET /a", "GET /b", "GET /a")):
        usage.note_admitted("k", AT + second, "192.0.2.1", rule)
    usage.note_admitted("k", AT + 3, None, "GET /a")
    usage.note_denied("k", AT + 4, "192.0.2.1", None, "no_rule", is_use=True)

    await usage.flush(sink)

    assert {
        Source(TODAY, "192.0.2.1", "GET /a", ""): Tally(MICROS, MICROS + 2_000_000, admitted=2),
        Source(TODAY, "192.0.2.1", "GET /b", ""): Tally(MICROS + 1_000_000, MICROS + 1_000_000, admitted=1),
        Source(TODAY, "", "GET /a", ""): Tally(MICROS + 3_000_000, MICROS + 3_000_000, admitted=1),
        Source(TODAY, "192.0.2.1", "", "no_rule"): Tally(MICROS + 4_000_000, MICROS + 4_000_000, denied=1),
    } == sink.batches[0]["k"].details


def test_a_flood_of_addresses_costs_bounded_memory_and_no_count() -> None:
    """10,000 addresses are folded on the way; the busy one stays, and no request is lost."""
    pending = begun()
    for number in range(10_000):
        used(pending, f"10.0.{number // 256}.{number % 256}", AT)
        used(pending, "192.0.2.1", AT + 1)
    use = pending.as_use()

    assert len(use.details) <= MOST_CELLS + 1
    assert 10_000 == use.details[Source(TODAY, "192.0.2.1", "GET /a", "")].admitted
    assert 20_000 == sum(tally.admitted for tally in use.details.values()) == use.admitted[DAY]
    assert use.details[Source(TODAY, OTHERS, "GET /a", "")].admitted > 9_000
    assert "192.0.2.1" == use.ip


def test_a_cell_that_was_folded_away_counts_no_more() -> None:
    """A denial that makes room leaves the next admitted request a cell of its own."""
    pending = begun()
    for number in range(MOST_CELLS - 1):
        used(pending, f"10.0.0.{number}", AT)
        used(pending, f"10.0.0.{number}", AT)
    keeper = Keeping()
    used(pending, "192.0.2.1", AT, by=keeper)
    used(pending, "192.0.2.1", AT, reason="permission")

    assert NO_CELL is keeper.cell
    assert 2 * MOST_CELLS == pending.as_use().admitted[DAY] + pending.as_use().denied[DAY]


def test_a_cell_counts_what_is_like_it_until_its_day_ends() -> None:
    """Under another rule, from another address or on another day, a request is counted elsewhere."""
    keeper, midnight = Keeping(), (int(AT // 86_400) + 1) * 86_400
    used(begun(), "192.0.2.1", AT, by=keeper)

    assert keeper.cell.repeats("GET /a", "192.0.2.1", AT + 1)
    assert keeper.cell.repeats("GET /a", "192.0.2.1", midnight - 1)
    assert not keeper.cell.repeats("GET /b", "192.0.2.1", AT)
    assert not keeper.cell.repeats("GET /a", "192.0.2.2", AT)
    assert not keeper.cell.repeats("GET /a", "192.0.2.1", midnight)
    assert (3, midnight - 1) == (keeper.cell.count, keeper.cell.at)


def test_a_cell_is_lent_to_one_at_a_time() -> None:
    """Whatever was read of a key again and again between two flushes, it is remembered once."""
    pending, first, second = begun(), Keeping(), Keeping()
    used(pending, "192.0.2.1", AT, by=first)
    used(pending, "192.0.2.1", AT, by=second)

    assert NO_CELL is first.cell
    assert 2 == second.cell.count


@pytest.mark.parametrize("is_admitted", [True, False])
async def test_a_cell_is_kept_no_longer_than_until_it_is_written(is_admitted: bool) -> None:  # noqa: FBT001
    """What would be counted in it after that would never be written, and memory is for keys that are in use."""
    usage, sink, keeper = Usage(Stats()), Sink(), Keeping()
    if is_admitted:
        usage.note_admitted("k", AT, "192.0.2.1", "GET /a", keeper=keeper)
    else:
        usage.note_denied("k", AT, "192.0.2.1", None, "disabled", is_use=False, keeper=keeper)
    rule = "GET /a" if is_admitted else None
    assert keeper.cell.repeats(rule, "192.0.2.1", AT)

    await usage.flush(sink)

    assert NO_CELL is keeper.cell
    assert not keeper.cell.repeats(rule, "192.0.2.1", AT)
    use = sink.batches[0]["k"]
    assert {DAY: 2} == (use.admitted if is_admitted else use.denied)


def test_the_last_use_survives_folding() -> None:
    """The newest use is the last one, whether its address is still told apart or not."""
    pending = begun(budget=0)
    for number in range(3):
        used(pending, f"10.0.0.{number}", AT - number)
    use = pending.as_use()

    assert (NOON, "10.0.0.0") == (use.last_at, use.ip)
    assert {Source(TODAY, OTHERS, "GET /a", ""), Source(TODAY, "10.0.0.2", "GET /a", "")} == use.details.keys()


async def test_an_outage_keeps_bounded_details(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store cannot write, addresses of many keys are told as one rather than fill the memory."""
    monkeypatch.setattr(usage_module, "MOST_DETAILS", 20)
    usage, sink = Usage(Stats()), Sink()
    sink.broken = True
    for batch in range(3):
        for number in range(10):
            usage.note_admitted("k", AT, f"10.0.{batch}.{number}", "GET /a")
        with pytest.raises(StoreUnavailable):
            await usage.flush(sink)

    sink.broken = False
    await usage.flush(sink)

    assert {Source(TODAY, OTHERS, "GET /a", ""): Tally(MICROS, MICROS, admitted=30)} == sink.batches[0]["k"].details


async def test_old_details_are_forgotten_once_a_day() -> None:
    """The days that are kept are counted with today; what cannot be deleted is tried again."""
    usage, sink = Usage(Stats(), days=7), Sink()
    for day in (DAY, DAY, date(2026, 11, 21)):
        await usage.tidy(sink, day)

    assert [date(2026, 11, 14), date(2026, 11, 15)] == sink.use_details.forgotten


async def test_hours_are_told_apart() -> None:
    """Each batch counts in the hour of its latest request; what could not be written keeps the last 24 hours."""
    usage, sink = Usage(Stats()), Sink()
    sink.broken = True
    hour = int(AT // 3_600)
    for ago in (30, 23, 1, 0):
        usage.note_admitted("k", AT - ago * 3_600, "192.0.2.1")
        usage.note_denied("k", AT - ago * 3_600, "192.0.2.1", None, Reason.LIMITED, is_use=True)
        with pytest.raises(StoreUnavailable):
            await usage.flush(sink)
    usage.note_denied("k", AT, None, None, "permission", is_use=True)
    sink.broken = False
    await usage.flush(sink)

    assert {hour - 23: (1, 0, 1), hour - 1: (1, 0, 1), hour: (1, 1, 1)} == sink.batches[0]["k"].hours


def test_a_day_that_turns_is_told_apart() -> None:
    """What came before midnight belongs to the day that ended."""
    pending = begun()
    used(pending, "192.0.2.1", AT)
    pending.turn_to(int(AT // 86_400) + 1)
    used(pending, "192.0.2.1", AT + 86_400)
    use = pending.as_use()

    assert {DAY: 1, date(2026, 11, 21): 1} == use.admitted
    assert datetime(2026, 11, 21, 12, tzinfo=UTC) == use.last_at
