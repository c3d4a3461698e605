"""A worker enters the list, says what it has applied, and leaves; by itself, without a store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.propagation.worker_registry import HEARTBEAT, PAUSE, WorkerRegistry
from keyfob.store.contract.workers import Worker
from tests.keyfob.propagation.clock import Clock

if TYPE_CHECKING:
    from tests.keyfob.propagation.worker_list import WorkerList

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(worker_list: WorkerList, clock: Clock) -> WorkerRegistry:
    return WorkerRegistry(worker_list, worker_list, lease=2.0, clock=clock)


async def tell(registry: WorkerRegistry, revision: int) -> None:
    """Say what was applied, and let it be written."""
    registry.tell("epoch", revision)
    if registry._flight is not None:
        await registry._flight


async def test_a_worker_enters_before_it_reads_what_it_judges_by(
    registry: WorkerRegistry, worker_list: WorkerList
) -> None:
    """What is used was read after the row was there; so nobody who looks later can miss this worker."""
    registry.serve()
    await registry.changes(None)

    assert ["put", "read"] == worker_list.done[-2:]
    worker_list.done.clear()
    await registry.changes(1)
    assert ["read"] == worker_list.done


async def test_changes_that_nobody_waits_for_are_not_confirmed(
    registry: WorkerRegistry, worker_list: WorkerList
) -> None:
    """A thousand changes cost a worker no write; an acknowledgement request costs one, once it is applied."""
    registry.serve()
    await registry.changes(None)
    await tell(registry, 1)
    worker_list.done.clear()
    for revision in range(2, 1002):
        await registry.changes(revision)
        await tell(registry, revision)
    assert 0 == worker_list.done.count("put")

    await worker_list.request_acknowledgement(1003)
    await registry.changes(None)
    await tell(registry, 1002)
    assert 0 == worker_list.done.count("put")
    for _ in range(3):
        await tell(registry, 1003)

    assert 1 == worker_list.done.count("put")
    assert [1003] == [worker.revision for worker in worker_list.rows.values()]


async def test_an_idle_worker_shows_now_and_then_that_it_lives(
    registry: WorkerRegistry, worker_list: WorkerList, clock: Clock
) -> None:
    """Without anything to confirm, one row is written in a minute."""
    registry.serve()
    await registry.changes(None)
    await tell(registry, 1)
    worker_list.done.clear()

    for _ in range(240):
        clock.now += HEARTBEAT / 120
        await tell(registry, 1)

    assert 2 == worker_list.done.count("put")


async def test_a_worker_that_cannot_write_serves_and_says_so_once(
    registry: WorkerRegistry, worker_list: WorkerList, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only database keeps nobody from reading; it is tried again, slowly, and heals by itself."""
    worker_list.broken = True
    registry.serve()
    for _ in range(3):
        await registry.changes(None)
        for _ in range(3):
            await tell(registry, 1)
        clock.now += PAUSE
    assert 1 + 3 == worker_list.done.count("put")
    assert 1 == caplog.text.count("this worker cannot confirm changes")

    worker_list.broken = False
    await tell(registry, 1)
    assert [1] == [worker.revision for worker in worker_list.rows.values()]


async def test_a_short_lease_is_not_spent_on_entering(worker_list: WorkerList, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the list cannot be written, a read waits for a quarter of a short lease, first and after a silence."""

    async def put(_: Worker) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(worker_list, "put", put)
    registry = WorkerRegistry(worker_list, worker_list, lease=0.04)
    registry.serve()
    async with asyncio.timeout(0.3):  # what a lease of two seconds may spend on it is more
        await registry.changes(None)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(0.3):
        await registry.changes(None)
    assert registry._flight is not None
    registry._flight.cancel()


async def test_a_worker_that_was_silent_enters_again(
    registry: WorkerRegistry, worker_list: WorkerList, clock: Clock
) -> None:
    """After a stall as long as its lease it may have been deregistered, so it registers again at its next read."""
    registry.serve()
    await registry.changes(None)
    await tell(registry, 1)
    worker_list.rows.clear()
    clock.now += 2.5

    await registry.changes(1)
    await tell(registry, 1)

    assert 1 == len(worker_list.rows)


async def test_a_fork_is_a_worker_of_its_own(
    registry: WorkerRegistry, worker_list: WorkerList, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that inherited a row does not speak for its parent."""
    registry.serve()
    await registry.changes(None)
    monkeypatch.setattr("os.getpid", lambda: 4711)

    registry.serve()
    await registry.changes(None)

    assert 2 == len(worker_list.rows)


async def test_the_dead_are_struck_off_by_who_comes_after(
    registry: WorkerRegistry, worker_list: WorkerList, clock: Clock
) -> None:
    """A row that stays the same for three heartbeats and its lease is nobody's; others are left alone."""
    dead, slow, alive = (
        Worker(name, "host", lease, "epoch", 1, NOON) for name, lease in [("dead", 2), ("slow", 999), ("alive", 2)]
    )
    worker_list.rows |= {worker.id: worker for worker in (dead, slow, alive)}
    registry.serve()
    await registry.changes(None)
    await tell(registry, 1)
    worker_list.rows["alive"] = replace(alive, seen_at=datetime.now(UTC))

    clock.now += 3 * HEARTBEAT + 1
    await tell(registry, 1)
    assert {"dead", "slow", "alive"} < worker_list.rows.keys()
    clock.now += HEARTBEAT
    await tell(registry, 1)

    assert {"slow", "alive"} < worker_list.rows.keys()
    assert "dead" not in worker_list.rows


async def test_leaving_waits_for_a_word_on_its_way(registry: WorkerRegistry, worker_list: WorkerList) -> None:
    """What is still being written when a worker stops does not bring its row back."""
    registry.serve()
    await registry.changes(None)
    registry.tell("epoch", 1)

    await registry.leave()

    assert {} == worker_list.rows


async def test_nothing_is_said_any_more_by_who_is_leaving(
    registry: WorkerRegistry, worker_list: WorkerList, clock: Clock
) -> None:
    """A read that goes on while a worker stops, after a silence, does not register it again."""
    registry.serve()
    await registry.changes(None)
    registry.tell("epoch", 1)
    leaving = asyncio.create_task(registry.leave())
    await asyncio.sleep(0)
    clock.now += 2.5

    await registry.changes(1)
    await leaving
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "keyfob-worker"))

    assert {} == worker_list.rows
    assert 2 == worker_list.done.count("put")
