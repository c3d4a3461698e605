"""Who judges requests is known, and a change can wait for all of them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.config import load_settings
from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.freshness import boot_clock
from keyfob.lifecycle import KeyLifecycle
from keyfob.minting import Minter
from keyfob.roll_call import GRACE, RollCall
from keyfob.runtime import Runtime
from keyfob.store import Changes
from keyfob.store.workers import NOTHING, Worker
from keyfob.testing import CHEAP, Installation, installation
from keyfob.worker_registry import HEARTBEAT, PAUSE, WorkerRegistry
from tests.gate.conftest import ask, until
from tests.lifecycle.conftest import CATALOGUE, ROOT
from tests.postgres_server import fresh_database, run_sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from keyfob import APIKeyMiddleware
    from tests.gate.conftest import Guard

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = 0.4


@pytest.fixture(params=["sqlite", "postgres"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation in either engine."""
    if request.param == "sqlite":
        async with installation(tmp_path) as made:
            yield made
    else:
        async with fresh_database(empty=True) as url, installation(tmp_path, url=url) as made:
            yield made


def keys_of(here: Installation) -> KeyLifecycle:
    minter = Minter(lambda: here.signing, here.pool, CHEAP, "kf", persist_proofs=True)
    return KeyLifecycle(here.store, minter, CATALOGUE, now=lambda: datetime.now(UTC), max_staleness=LEASE)


async def workers(guard: Guard, count: int) -> list[APIKeyMiddleware]:
    """So many workers that have started."""
    made = [guard(max_staleness=LEASE) for _ in range(count)]
    for app in made:
        await app.runtime.start()
    return made


async def test_mw_01_a_disable_waits_until_every_worker_has_confirmed(here: Installation, guard: Guard) -> None:
    """When the wait ends, every worker is named with the time of its word, and none admits the key any more."""
    apps = await workers(guard, 3)
    issued = await here.issue("items:read")
    assert [200] * 3 == [(await ask(app, "/items", issued.headers)).status for app in apps]
    keys = keys_of(here)

    changed = await keys.disable("default", issued.record.id, actor=ROOT)
    told = await keys.acknowledged(changed)

    assert [app.runtime.freshness.revision >= changed.view.record.revision for app in apps] == [True] * 3
    assert [401] * 3 == [(await ask(app, "/items", issued.headers)).status for app in apps]
    assert {worker.id for worker in await here.store.workers.all()} == {answer.id for answer in told.workers}
    assert 3 == len(told.workers)
    assert all(answer.confirmed_at is not None and answer.host == os.uname().nodename for answer in told.workers)
    last = max(answer.confirmed_at for answer in told.workers if answer.confirmed_at)
    assert told.effective_at == changed.effective_by if here.store.applies_at_once else last <= told.effective_at


async def test_mw_06_a_killed_worker_is_waited_for_once(here: Installation, guard: Guard) -> None:
    """A row whose process is gone costs one lease; it is named without a time, and the next wait does not know it."""
    await workers(guard, 1)
    issued = await here.issue("items:read")
    await here.store.workers.put(Worker("killed", "elsewhere", 1.0, "", NOTHING, NOON))
    keys = keys_of(here)
    changed = await keys.disable("default", issued.record.id, actor=ROOT)

    began = boot_clock()
    first = await keys.acknowledged(changed)
    waited = boot_clock() - began
    second = await keys.acknowledged(changed)

    assert {"killed": False} == {one.id: bool(one.confirmed_at) for one in first.workers if one.host == "elsewhere"}
    assert [True] == [bool(one.confirmed_at) for one in second.workers]
    assert waited >= 1.0
    assert [one.id for one in first.workers if one.confirmed_at] == [one.id for one in second.workers]


async def test_a_key_that_is_disabled_already_can_be_waited_for(here: Installation, guard: Guard) -> None:
    """A disable that changes nothing waits for the revision at which the key fell."""
    issued = await here.issue("items:read")
    keys = keys_of(here)
    await keys.disable("default", issued.record.id, actor=ROOT)
    await workers(guard, 1)

    again = await keys.disable("default", issued.record.id, actor=ROOT)

    assert [True] == [bool(one.confirmed_at) for one in (await keys.acknowledged(again)).workers]


async def test_a_caller_that_leaves_undoes_nothing(here: Installation) -> None:
    """The change was made before the wait began, and stays when nobody waits any longer."""
    issued = await here.issue("items:read")
    await here.store.workers.put(Worker("silent", "elsewhere", 60.0, "", NOTHING, NOON))
    keys = keys_of(here)
    changed = await keys.disable("default", issued.record.id, actor=ROOT)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await keys.acknowledged(changed)

    view = await here.store.view(issued.record.id)
    assert view is not None
    assert view.record.is_disabled
    assert ["silent"] == [worker.id for worker in await here.store.workers.all()]


async def test_a_worker_leaves_when_it_stops(here: Installation, guard: Guard) -> None:
    """Who was shut down in order is not waited for, and comes back under the same roof when it starts again."""
    (app,) = await workers(guard, 1)
    await until(lambda: is_listed(here, 1))

    await app.runtime.stop()
    assert await is_listed(here, 0)

    await app.runtime.start()
    assert await is_listed(here, 1)


async def is_listed(here: Installation, count: int) -> bool:
    return count == len(await here.store.workers.all())


async def test_without_a_lifespan_the_first_request_enters(here: Installation, guard: Guard) -> None:
    """A worker that nobody starts is in the list when it has answered for the first time."""
    issued = await here.issue("items:read")

    assert 200 == (await ask(guard(), "/items", issued.headers)).status

    assert await is_listed(here, 1)


async def test_who_only_changes_keys_is_no_worker(here: Installation) -> None:
    """A command that makes and disables keys judges no request, so nobody waits for it."""
    runtime = Runtime(load_settings(environ={}, overrides=here.options))
    await runtime.freshness.ensure()
    await here.store.workers.call_roll(99)

    assert await is_listed(here, 0)
    await runtime.stop()


async def test_mw_08_code_that_is_too_old_does_not_start(here: Installation, guard: Guard) -> None:
    """A worker whose schema the database has left behind says so and does not start; one that runs answers 503."""
    issued = await here.issue("items:read")
    (running,) = await workers(guard, 1)
    await execute(here, "UPDATE {}meta SET min_reader = 999")

    with pytest.raises(ConfigError, match=r"newer Keyfob.*upgrade"):
        await workers(guard, 1)
    await asyncio.sleep(LEASE)
    assert 503 == (await ask(running, "/items", issued.headers)).status


async def execute(here: Installation, statement: str) -> None:
    """Run a statement behind the store's back; ``{}`` is where its tables are."""
    if here.url is not None:
        await run_sql(statement.format("keyfob."), database=here.url.rpartition("/")[2])
    else:
        with closing(sqlite3.connect(here.folder / "keyfob.db")) as connection, connection:
            connection.execute(statement.format(""))


# -- the rooms by themselves


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Roll:
    """A store's list and feed in memory, with all that was asked of it, in its order."""

    def __init__(self) -> None:
        self.rows: dict[str, Worker] = {}
        self.done: list[str] = []
        self.broken = False
        self.revision = 1
        self.roll_call = 0
        self.doorbell: Sequence[int] = (7,)

    def _note(self, what: str) -> None:
        self.done.append(what)
        if self.broken and what != "read":
            raise StoreUnavailable("read-only")

    async def changes(self, since: int | None) -> Changes:
        self._note("read")
        return Changes(self.revision, "epoch", (), (), roll_call=self.roll_call)

    async def put(self, worker: Worker) -> None:
        self._note("put")
        self.rows[worker.id] = worker

    async def remove(self, worker_id: str, seen_at: datetime | None = None) -> None:
        self._note("remove")
        row = self.rows.get(worker_id)
        if row is not None and seen_at in {None, row.seen_at}:
            del self.rows[worker_id]

    async def all(self) -> Sequence[Worker]:
        self._note("all")
        return list(self.rows.values())

    async def call_roll(self, revision: int) -> None:
        self._note("call")
        self.roll_call = revision


@pytest.fixture
def roll() -> Roll:
    return Roll()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(roll: Roll, clock: Clock) -> WorkerRegistry:
    return WorkerRegistry(roll, roll, lease=2.0, clock=clock)


async def tell(registry: WorkerRegistry, revision: int) -> None:
    """Say what was applied, and let it be written."""
    registry.tell("epoch", revision)
    if registry._flight is not None:
        await registry._flight


async def test_a_worker_enters_before_it_reads_what_it_judges_by(registry: WorkerRegistry, roll: Roll) -> None:
    """What is used was read after the row was there; so nobody who looks later can miss this worker."""
    registry.serve()
    await registry.changes(None)

    assert ["put", "read"] == roll.done[-2:]
    roll.done.clear()
    await registry.changes(1)
    assert ["read"] == roll.done


async def test_changes_that_nobody_waits_for_are_not_confirmed(registry: WorkerRegistry, roll: Roll) -> None:
    """A thousand changes cost a worker no write; a roll call costs one, once it has applied what is asked for."""
    registry.serve()
    await registry.changes(None)
    await tell(registry, 1)
    roll.done.clear()
    for revision in range(2, 1002):
        await registry.changes(revision)
        await tell(registry, revision)
    assert 0 == roll.done.count("put")

    await roll.call_roll(1003)
    await registry.changes(None)
    await tell(registry, 1002)
    assert 0 == roll.done.count("put")
    for _ in range(3):
        await tell(registry, 1003)

    assert 1 == roll.done.count("put")
    assert [1003] == [worker.revision for worker in roll.rows.values()]


async def test_an_idle_worker_shows_now_and_then_that_it_lives(
    registry: WorkerRegistry, roll: Roll, clock: Clock
) -> None:
    """Without anything to confirm, one row is written in a minute."""
    registry.serve()
    await registry.changes(None)
    await tell(registry, 1)
    roll.done.clear()

    for _ in range(240):
        clock.now += HEARTBEAT / 120
        await tell(registry, 1)

    assert 2 == roll.done.count("put")


async def test_a_worker_that_cannot_write_serves_and_says_so_once(
    registry: WorkerRegistry, roll: Roll, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only database keeps nobody from reading; it is tried again, slowly, and heals by itself."""
    roll.broken = True
    registry.serve()
    for _ in range(3):
        await registry.changes(None)
        for _ in range(3):
            await tell(registry, 1)
        clock.now += PAUSE
    assert 1 + 3 == roll.done.count("put")
    assert 1 == caplog.text.count("nobody can be told")

    roll.broken = False
    await tell(registry, 1)
    assert [1] == [worker.revision for worker in roll.rows.values()]


async def test_a_short_lease_is_not_spent_on_entering(roll: Roll, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the list cannot be written, a read waits for a quarter of a short lease, first and after a silence."""

    async def put(_: Worker) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(roll, "put", put)
    registry = WorkerRegistry(roll, roll, lease=0.04)
    registry.serve()
    async with asyncio.timeout(0.3):  # what a lease of two seconds may spend on it is more
        await registry.changes(None)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(0.3):
        await registry.changes(None)
    assert registry._flight is not None
    registry._flight.cancel()


async def test_a_worker_that_was_silent_enters_again(registry: WorkerRegistry, roll: Roll, clock: Clock) -> None:
    """After a stall as long as its lease it may have been struck off, so it says at its next read that it is there."""
    registry.serve()
    await registry.changes(None)
    await tell(registry, 1)
    roll.rows.clear()
    clock.now += 2.5

    await registry.changes(1)
    await tell(registry, 1)

    assert 1 == len(roll.rows)


async def test_a_fork_is_a_worker_of_its_own(
    registry: WorkerRegistry, roll: Roll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that inherited a row does not speak for its parent."""
    registry.serve()
    await registry.changes(None)
    monkeypatch.setattr("os.getpid", lambda: 4711)

    registry.serve()
    await registry.changes(None)

    assert 2 == len(roll.rows)


async def test_the_dead_are_struck_off_by_who_comes_after(registry: WorkerRegistry, roll: Roll, clock: Clock) -> None:
    """A row that stays the same for three heartbeats and its lease is nobody's; others are left alone."""
    dead, slow, alive = (
        Worker(name, "host", lease, "epoch", 1, NOON) for name, lease in [("dead", 2), ("slow", 999), ("alive", 2)]
    )
    roll.rows |= {worker.id: worker for worker in (dead, slow, alive)}
    registry.serve()
    await registry.changes(None)
    await tell(registry, 1)
    roll.rows["alive"] = replace(alive, seen_at=datetime.now(UTC))

    clock.now += 3 * HEARTBEAT + 1
    await tell(registry, 1)
    assert {"dead", "slow", "alive"} < roll.rows.keys()
    clock.now += HEARTBEAT
    await tell(registry, 1)

    assert {"slow", "alive"} < roll.rows.keys()
    assert "dead" not in roll.rows


async def test_leaving_waits_for_a_word_on_its_way(registry: WorkerRegistry, roll: Roll) -> None:
    """What is still being written when a worker stops does not bring its row back."""
    registry.serve()
    await registry.changes(None)
    registry.tell("epoch", 1)

    await registry.leave()

    assert {} == roll.rows


def calling(roll: Roll, lease: float = 0.1) -> RollCall:
    return RollCall(roll, lease=lease, now=lambda: NOON)


async def test_an_unreadable_list_is_unavailable(roll: Roll) -> None:
    """Who cannot ask the workers says so when the lease has run out, and claims nothing about them."""
    roll.broken = True

    with pytest.raises(StoreUnavailable, match="the change is made"):
        await calling(roll).take(1)


async def test_a_list_that_cannot_be_read_for_a_while_is_waited_for(roll: Roll) -> None:
    """A look that fails in the midst proves nothing about a worker; the next one does."""
    roll.rows["w"] = Worker("w", "host", 5.0, "epoch", 1, NOON)
    taking = asyncio.create_task(calling(roll).take(2))
    await until(lambda: "all" in roll.done)
    roll.broken = True
    await until(lambda: roll.done.count("all") >= 3)
    assert not taking.done()
    roll.rows["w"] = replace(roll.rows["w"], revision=2)
    roll.broken = False

    assert [("w", NOON)] == [(one.id, one.confirmed_at) for one in await taking]


async def test_who_comes_back_with_old_knowledge_is_waited_for(roll: Roll) -> None:
    """A worker that enters during the wait with less than was asked for is one of those whose word counts."""
    roll.rows["w"] = Worker("w", "host", 5.0, "epoch", 1, NOON)
    taking = asyncio.create_task(calling(roll).take(2))
    await until(lambda: "all" in roll.done)
    roll.rows["back"] = Worker("back", "host", 5.0, "epoch", 1, NOON)
    seen = roll.done.count("all")
    await until(lambda: roll.done.count("all") > seen + 1)
    roll.rows["w"] = replace(roll.rows["w"], revision=2)
    seen = roll.done.count("all")
    await until(lambda: roll.done.count("all") > seen + 1)
    assert not taking.done()
    roll.rows["back"] = replace(roll.rows["back"], revision=3)

    assert ["w", "back"] == [one.id for one in await taking if one.confirmed_at]


async def test_who_stops_is_not_waited_for(roll: Roll) -> None:
    """A worker that leaves the list during the wait serves nothing; it is named without a time."""
    roll.rows["w"] = Worker("w", "host", 600.0, "epoch", 1, NOON)
    taking = asyncio.create_task(calling(roll).take(2))
    await until(lambda: "all" in roll.done)
    del roll.rows["w"]

    assert [("w", None)] == [(one.id, one.confirmed_at) for one in await taking]


async def test_who_lives_is_not_struck_off(roll: Roll) -> None:
    """A lease that ran out strikes off only a worker that has said nothing at all meanwhile."""
    roll.rows |= {name: Worker(name, "host", 0.2, "epoch", 1, NOON) for name in ("dead", "alive")}
    taking = asyncio.create_task(calling(roll).take(2))
    await until(lambda: "all" in roll.done)
    roll.rows["alive"] = replace(roll.rows["alive"], seen_at=datetime.now(UTC))
    began = boot_clock()

    assert [None, None] == [one.confirmed_at for one in await taking]
    assert ["alive"] == list(roll.rows)
    assert boot_clock() - began < 0.2 + GRACE + 1
