"""When a cached answer may still be given: the lease, the change signal, the snapshot rule, and other histories."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.propagation.freshness import Freshness
from tests.keyfob.propagation.clock import Clock
from tests.keyfob.propagation.feed import Feed, Merged

if TYPE_CHECKING:
    from keyfob.store.contract.key_store import Changes

Parts = tuple[Feed, Merged, Clock]


@pytest.fixture
def parts() -> tuple[Feed, Merged, Clock]:
    return Feed(), Merged(), Clock()


def fresh(parts: tuple[Feed, Merged, Clock], **options: float) -> Freshness:
    feed, merged, clock = parts
    return Freshness(feed, merged, clock=clock, **{"max_staleness": 2.0, **options})


async def test_nothing_is_current_before_the_first_read(parts: Parts) -> None:
    """A process that has read nothing gives no answer from its cache."""
    assert not fresh(parts).is_current()


async def test_the_lease_ends_max_staleness_after_the_read_began(parts: Parts) -> None:
    """Cached answers are good from a read's beginning for max_staleness seconds, and no longer."""
    freshness, clock = fresh(parts), parts[2]
    await freshness.ensure()

    clock.now += 2.0
    assert freshness.is_current()
    clock.now += 0.001
    assert not freshness.is_current()


async def test_the_lease_counts_from_before_a_slow_read(parts: Parts) -> None:
    """A read that takes long extends the lease from when it began, not from when it ended."""
    feed, _, clock = parts
    freshness = fresh(parts)
    feed.gate = asyncio.Event()
    reading = asyncio.create_task(freshness.refresh())
    await asyncio.sleep(0.01)

    clock.now += 1.5
    feed.gate.set()
    await reading

    clock.now += 0.6
    assert not freshness.is_current()


async def test_a_clock_that_goes_back_stretches_nothing(parts: Parts) -> None:
    """If the clock falls behind the read's beginning, the lease is void."""
    freshness, clock = fresh(parts), parts[2]
    await freshness.ensure()

    clock.now -= 1

    assert not freshness.is_current()


@pytest.mark.parametrize("value", [1, 7, 2**64 - 1])
async def test_any_other_number_on_the_change_signal_demands_a_read(parts: Parts, value: int) -> None:
    """The change signal is compared for difference, because a paused writer may keyring an old number."""
    feed = parts[0]
    freshness = fresh(parts)
    await freshness.ensure()

    feed.signal.value = value
    assert not freshness.is_current()
    await freshness.ensure()

    assert freshness.is_current()
    assert 2 == feed.reads


async def test_ff_31_a_change_signal_that_cannot_be_read_demands_a_read(parts: Parts) -> None:
    """Where its file was closed, nobody can tell whether it has changed: no answer from the cache, not in an outage."""
    feed, clock = parts[0], parts[2]
    freshness = fresh(parts, max_stale_on_outage=60.0)
    await freshness.ensure()
    feed.broken = True
    with pytest.raises(StoreUnavailable):
        await freshness.refresh()
    clock.now += 3
    assert freshness.may_serve()

    feed.signal.is_closed = True

    assert not freshness.is_current()
    assert not freshness.may_serve()
    assert freshness.lease_remaining() < 0


async def test_a_keyring_during_the_read_demands_another(parts: Parts) -> None:
    """A signal after the look is not covered by the read that follows the look."""
    feed = parts[0]
    freshness = fresh(parts)
    feed.gate = asyncio.Event()
    asking = asyncio.create_task(freshness.ensure())
    await asyncio.sleep(0.01)

    feed.signal.value = 5
    feed.gate.set()
    await asking

    assert 2 == feed.reads


async def test_those_who_wait_share_one_read(parts: Parts) -> None:
    """A thousand requests that find the lease over cost one read."""
    freshness = fresh(parts)

    await asyncio.gather(*(freshness.ensure() for _ in range(1000)))

    assert 1 == parts[0].reads


async def test_a_caller_who_leaves_spoils_nothing_for_others(parts: Parts) -> None:
    """A cancelled request does not cancel the read that others wait for."""
    feed = parts[0]
    freshness = fresh(parts)
    feed.gate = asyncio.Event()
    leaving, staying = asyncio.create_task(freshness.ensure()), asyncio.create_task(freshness.ensure())
    await asyncio.sleep(0.01)

    leaving.cancel()
    feed.gate.set()
    await staying

    assert freshness.is_current()


async def test_a_store_that_cannot_say_is_an_exception(parts: Parts) -> None:
    """Past the lease, with the store away, nothing may be served."""
    feed, _, clock = parts
    freshness = fresh(parts)
    await freshness.ensure()
    feed.broken = True
    assert freshness.may_serve()
    clock.now += 3

    with pytest.raises(StoreUnavailable):
        await freshness.ensure()


async def test_sf_04_an_outage_can_be_ridden_out_for_a_while(parts: Parts) -> None:
    """max_stale_on_outage adds its seconds to the lease, only while the store is away."""
    feed, _, clock = parts
    freshness = fresh(parts, max_stale_on_outage=30.0)
    await freshness.ensure()
    feed.broken = True

    clock.now += 31.9
    await freshness.ensure()
    assert freshness.may_serve()
    clock.now += 0.2

    with pytest.raises(StoreUnavailable):
        await freshness.ensure()


async def test_a_keyring_ends_the_patience_with_an_outage(parts: Parts) -> None:
    """If the change signal says that something changed, and it cannot be read, the lease counts for nothing."""
    feed = parts[0]
    freshness = fresh(parts, max_stale_on_outage=30.0)
    await freshness.ensure()
    feed.broken = True

    feed.signal.value = 9

    with pytest.raises(StoreUnavailable):
        await freshness.ensure()


@pytest.mark.parametrize(("epoch", "revision"), [("b", 1), ("b", 99), ("a", 0)])
async def test_sf_17_another_history_drops_everything(
    parts: Parts, epoch: str, revision: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Another epoch, or a lower revision, drops every answer before the lease goes on, and says so."""
    feed, merged, _ = parts
    freshness = fresh(parts)
    await freshness.ensure()
    merged.forgotten = 0

    feed.epoch, feed.revision = epoch, revision
    await freshness.refresh()

    assert 1 == merged.forgotten
    assert "replaced or restored" in caplog.text


async def test_a_store_that_never_answers_is_given_up(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read without an answer ends as StoreUnavailable, and the next one can succeed."""
    monkeypatch.setattr("keyfob.propagation.freshness._SLOWEST_READ", 0.01)
    feed = parts[0]
    feed.gate = asyncio.Event()
    freshness = fresh(parts)

    with pytest.raises(StoreUnavailable, match="in time"):
        await freshness.ensure()
    feed.gate = None
    await freshness.ensure()

    assert freshness.is_current()


async def test_changes_without_end_are_given_up(parts: Parts) -> None:
    """If every read is overtaken by another keyring, the request is not held for ever."""
    feed = parts[0]
    changes = feed.changes

    async def overtaken(since: int | None) -> Changes:
        feed.signal.value += 1
        return await changes(since)

    feed.changes = overtaken  # type: ignore[method-assign]

    with pytest.raises(StoreUnavailable, match="faster than they could be read"):
        await fresh(parts).ensure()


async def test_more_changes_than_are_worth_reading_drop_every_answer(parts: Parts) -> None:
    """Where the store names no keys because too many changed, everything is forgotten, and the lease goes on."""
    feed, merged, _ = parts
    freshness = fresh(parts)
    await freshness.refresh()

    feed.revision, feed.too_many = 2, True
    await freshness.refresh()
    feed.too_many = False
    await freshness.refresh()

    assert (2, True, 2) == (merged.forgotten, freshness.is_current(), freshness.revision)  # the first is the start's


async def test_a_change_signal_that_stays_behind_is_told(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    """Three reads in a row of a revision beyond the change signal's are logged, once."""
    feed = parts[0]
    feed.signal.value, feed.revision = 3, 8
    freshness = fresh(parts)

    for _ in range(5):
        await freshness.refresh()

    assert 1 == caplog.text.count("stays behind")
