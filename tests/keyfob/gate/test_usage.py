"""Uses are gathered beside the requests, and written in batches."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.gate.stats import Stats
from keyfob.gate.usage import PORTION, Usage
from keyfob.keys.record import LastUse
from keyfob.store.contract.key_store import Use, UseDay
from tests.keyfob.conftest import ask, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyfob.store.contract.refusals import RefusedRequest
    from keyfob.store.contract.use_details import Tally, UseHour, UseRow
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = date(2026, 11, 20)


class Refusals:
    """Takes refused requests, or cannot."""

    def __init__(self) -> None:
        self.kept: list[RefusedRequest] = []
        self.broken = False

    async def add(self, refused: Sequence[RefusedRequest]) -> None:
        if self.broken:
            raise StoreUnavailable("the disk is full")
        self.kept += refused

    async def find(self, request_id: str, *, since: datetime) -> RefusedRequest | None:
        return next((one for one in self.kept if one.request_id == request_id and one.at >= since), None)


class Details:
    """Forgets old details, and remembers up to when."""

    def __init__(self) -> None:
        self.forgotten: list[date] = []

    async def forget(self, before: date) -> None:
        self.forgotten.append(before)

    async def by_rule(self, key_id: str, since: date) -> list[UseRow]:
        raise NotImplementedError

    by_address = by_reason = by_rule

    async def by_hour(self, key_id: str, since: int) -> list[UseHour]:
        raise NotImplementedError

    async def pairs(self, key_id: str, since: date) -> list[tuple[str, str, Tally]]:
        raise NotImplementedError


class Sink:
    """Takes batches, or cannot."""

    def __init__(self) -> None:
        self.batches: list[Mapping[str, Use]] = []
        self.broken = False
        self.gate: asyncio.Event | None = None
        self.wrote = asyncio.Event()
        self.refusals = Refusals()
        self.use_details = Details()

    async def add_usage(self, uses: Mapping[str, Use]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise StoreUnavailable("the disk is full")
        self.batches.append(uses)
        self.wrote.set()
        await asyncio.sleep(0)


def deny(usage: Usage, at: datetime, ip: str, *, is_use: bool) -> None:
    usage.note_denied("k", at.timestamp(), ip, None, "permission", is_use=is_use)


def totals(sink: Sink) -> list[dict[str, Use]]:
    """What was written, but for the details and hours."""
    return [{key_id: replace(use, details={}, hours={}) for key_id, use in batch.items()} for batch in sink.batches]


async def test_a_batch_says_the_last_use_and_all_counts() -> None:
    """Uses between two flushes become one write per key: the newest time and address, counts by day."""
    usage, sink = Usage(Stats()), Sink()
    for minute in range(3):
        at = NOON + timedelta(minutes=minute)
        if minute == 1:
            deny(usage, at, f"10.0.0.{minute}", is_use=True)
        else:
            usage.note_admitted("k", at.timestamp(), f"10.0.0.{minute}")
    deny(usage, NOON, "10.0.0.9", is_use=False)

    await usage.flush(sink)

    last = NOON + timedelta(minutes=2)
    assert [{"k": Use(last, "10.0.0.2", {DAY: 2}, {DAY: 2})}] == totals(sink)


async def test_a_refused_key_keeps_its_last_use() -> None:
    """A proved key that is refused counts as denied, and says nothing of when it was last used."""
    usage, sink = Usage(Stats()), Sink()
    deny(usage, NOON, "10.0.0.9", is_use=False)

    await usage.flush(sink)

    assert [{"k": Use(None, None, {}, {DAY: 1})}] == totals(sink)


async def test_a_day_that_turns_is_counted_apart() -> None:
    """Uses on both sides of midnight UTC go to their own days."""
    usage, sink = Usage(Stats()), Sink()
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    usage.note_admitted("k", (midnight - timedelta(seconds=1)).timestamp(), None)
    usage.note_admitted("k", midnight.timestamp(), None)

    await usage.flush(sink)

    assert {DAY: 1, date(2026, 11, 21): 1} == sink.batches[0]["k"].admitted


async def test_nothing_used_writes_nothing() -> None:
    """A flush without uses does not touch the store."""
    usage, sink = Usage(Stats()), Sink()

    await usage.flush(sink)

    assert [] == sink.batches


async def test_sf_06_what_cannot_be_written_waits_and_adds_up() -> None:
    """While the store cannot write, uses are kept, one entry a key, and written once it can (SF-06, SF-08)."""
    stats, sink = Stats(), Sink()
    usage = Usage(stats)
    sink.broken = True
    for minute in (5, 1):
        usage.note_admitted("k", (NOON + timedelta(minutes=minute)).timestamp(), f"10.0.0.{minute}")
        with pytest.raises(StoreUnavailable):
            await usage.flush(sink)

    sink.broken = False
    await usage.flush(sink)
    await usage.flush(sink)

    assert [{"k": Use(NOON + timedelta(minutes=5), "10.0.0.5", {DAY: 2})}] == totals(sink)
    assert 1 == stats.usage_writes


async def test_uses_noted_during_a_failing_write_are_not_lost() -> None:
    """What is noted while a batch is on its way is added to the batch that comes back."""
    usage, sink = Usage(Stats()), Sink()
    sink.gate = asyncio.Event()
    usage.note_admitted("k", NOON.timestamp(), None)
    writing = asyncio.create_task(usage.flush(sink))
    await asyncio.sleep(0.01)
    usage.note_admitted("k", NOON.timestamp(), None)
    sink.broken = True
    sink.gate.set()
    with pytest.raises(StoreUnavailable):
        await writing

    sink.broken = False
    await usage.flush(sink)

    assert {DAY: 2} == sink.batches[0]["k"].admitted


async def test_many_keys_are_written_in_portions() -> None:
    """No transaction holds more than so many keys, and each key is in one of them."""
    stats, sink = Stats(), Sink()
    usage = Usage(stats)
    ids = _use_many(usage)

    await usage.flush(sink)

    assert [PORTION, PORTION, 3] == [len(batch) for batch in sink.batches]
    assert {key_id: {DAY: 1} for key_id in ids} == {
        k: use.admitted for batch in sink.batches for k, use in batch.items()
    }
    assert len(ids) == stats.usage_writes


@pytest.mark.cases("SF-06")
@pytest.mark.parametrize("ends", [StoreUnavailable, asyncio.CancelledError])
async def test_portions_that_were_not_written_are_kept(ends: type[BaseException]) -> None:
    """When a flush fails or is cut short half-way, the next writes the rest, and no portion a second time."""
    usage, sink = Usage(Stats()), Sink()
    ids = _use_many(usage)
    sink.gate = asyncio.Event()
    writing = asyncio.create_task(usage.flush(sink))
    await asyncio.sleep(0)
    sink.gate.set()
    sink.gate = None
    await sink.wrote.wait()
    sink.broken = ends is StoreUnavailable
    if ends is asyncio.CancelledError:
        writing.cancel()
    usage.note_admitted(ids[-1], NOON.timestamp(), None)
    with pytest.raises(ends):
        await writing

    sink.broken = False
    await usage.flush(sink)

    counts: Counter[str] = Counter()
    for batch in sink.batches:
        counts.update({key_id: use.admitted[DAY] for key_id, use in batch.items()})
    assert {**dict.fromkeys(ids, 1), ids[-1]: 2} == counts


def _use_many(usage: Usage) -> list[str]:
    """Use more keys than two portions hold, the last in order first."""
    ids = [f"{number:016}" for number in range(2 * PORTION + 3)]
    for key_id in reversed(ids):
        usage.note_admitted(key_id, NOON.timestamp(), None)
    return ids


async def test_draining_waits_for_a_batch_on_its_way() -> None:
    """At shutdown the batch under way and the rest are both written, each use once."""
    usage, sink = Usage(Stats()), Sink()
    sink.gate = asyncio.Event()
    usage.note_admitted("a", NOON.timestamp(), None)
    keeping = asyncio.create_task(usage.keep(sink, every=0.01))
    await asyncio.sleep(0.05)
    usage.note_admitted("b", NOON.timestamp(), None)
    keeping.cancel()
    draining = asyncio.create_task(usage.drain(sink))
    await asyncio.sleep(0.01)
    sink.gate.set()
    await draining

    assert [["a"], ["b"]] == [list(batch) for batch in sink.batches]


async def test_a_failing_flush_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The log says once that uses wait in memory, and again only after a write went well."""
    usage, sink = Usage(Stats()), Sink()
    sink.broken = True
    keeping = asyncio.create_task(usage.keep(sink, every=0.005))
    usage.note_admitted("k", NOON.timestamp(), None)
    await asyncio.sleep(0.06)
    sink.broken = False
    await until(lambda: bool(sink.batches))
    keeping.cancel()

    assert 1 == caplog.text.count("kept in memory")


async def test_ip_07_refusals_leave_the_last_use_alone(here: Installation, guard: Guard) -> None:
    """A 401 never touches the last use; a 403 does; both of a proved key are counted as denied."""
    issued = await here.issue("items:read")
    app = guard()
    await ask(app, "/items", {"X-API-Key": issued.text[:-1] + ("a" if issued.text[-1] != "a" else "b")})
    await ask(app, "/items", issued.headers, method="POST", ip="198.51.100.7")
    await here.disable(issued)
    await ask(app, "/items", issued.headers)
    await app.runtime.usage.flush(here.store)

    view = await here.store.view(issued.record.id)

    assert view is not None
    assert view.last_used is not None
    assert "198.51.100.7" == view.last_used.ip
    today = datetime.now(UTC).date()
    assert [UseDay(today, 0, 2)] == await here.store.usage(issued.record.id, today - timedelta(days=1))


async def test_ip_08_many_uses_are_few_writes(here: Installation, guard: Guard) -> None:
    """A thousand uses of one key within an interval are one write, and the value is the last one's."""
    issued = await here.issue("items:read")
    app = guard(usage_interval=60)
    for number in range(1000):
        await ask(app, "/items", issued.headers, ip=f"10.0.{number // 250}.{number % 250}")
    await app.runtime.stop()

    view = await here.store.view(issued.record.id)

    assert view is not None
    assert isinstance(view.last_used, LastUse)
    assert ("10.0.3.249", 1) == (view.last_used.ip, app.stats.usage_writes)
