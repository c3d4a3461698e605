"""Who judges requests is known, and a change can wait for all of them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.config.settings import load_settings
from keyfob.errors import ConfigError
from keyfob.management.key_issuer import KeyIssuer
from keyfob.management.keys import KeyLifecycle
from keyfob.propagation.freshness import boot_clock
from keyfob.runtime.runtime import Runtime
from keyfob.store.contract.workers import NOTHING, Worker
from keyfob.testing import CHEAP, Installation, installation
from tests.keyfob.conftest import ask, until
from tests.keyfob.management.conftest import CATALOGUE, ROOT
from tests.postgres_server import fresh_database, run_sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from keyfob import APIKeyMiddleware
    from tests.keyfob.conftest import Guard

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = 0.4


@pytest.fixture(params=["sqlite", "postgres"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation in either engine."""
    if request.param == "sqlite":
        async with installation(tmp_path) as made:
            yield made
    else:
        async with fresh_database() as url, installation(tmp_path, url=url) as made:
            yield made


def keys_of(here: Installation) -> KeyLifecycle:
    issuer = KeyIssuer(lambda: here.signing, here.pool, CHEAP, "kf", persist_digests=True)
    return KeyLifecycle(here.store, issuer, CATALOGUE, now=lambda: datetime.now(UTC), max_staleness=LEASE)


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
    assert told.effective_at == changed.effective_by if here.store.is_immediate else last <= told.effective_at


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
    """A disable that changes nothing waits for the revision at which the key was disabled."""
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
    await here.store.workers.request_acknowledgement(99)

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
