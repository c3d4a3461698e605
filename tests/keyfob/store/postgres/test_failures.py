"""What becomes of a host when its PostgreSQL is locked, read-only or gone, or when it stands still itself."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest

from keyfob.errors import StoreUnavailable
from keyfob.testing import Installation
from tests.keyfob.conftest import until
from tests.keyfob.store.postgres.test_hosts import here, host, hosts, status
from tests.postgres_server import run_sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AsyncExitStack

    from keyfob.testing import Issued

__all__ = ["here", "hosts"]  # fixtures of the hosts' tests, used here as well


async def admitted_uses(here: Installation, issued: Issued) -> int:
    """How many admitted uses are written down."""
    return sum(day.admitted for day in await here.store.usage(issued.record.id, datetime.now(UTC).date()))


async def test_mw_06_a_host_that_stood_still_wakes_to_the_truth(here: Installation, hosts: AsyncExitStack) -> None:
    """A key disabled while the host's loop was blocked for longer than the lease is refused by its next decision."""
    app = host(hosts, here, f"{here.url}?listen=off", max_staleness=0.4)
    issued = await here.issue("items:read")
    assert 200 == await status(app, issued)

    await here.disable(issued)
    time.sleep(0.6)  # noqa: ASYNC251 - the mistake of an application that is tried here

    assert 401 == await status(app, issued)


async def test_sf_05_a_database_locked_from_outside_keeps_nobody_waiting(
    here: Installation, hosts: AsyncExitStack
) -> None:
    """While a stranger holds the row that changes need, keys pass, cached or not, changes are 503, and uses wait."""
    app = host(hosts, here, str(here.url), max_staleness=0.4)
    issued, cold = await here.issue("items:read"), await here.issue("items:read")
    assert 200 == await status(app, issued)
    stranger = await asyncpg.connect(here.url)
    lock = stranger.transaction()
    await lock.start()
    await stranger.fetch("SELECT 1 FROM keyfob.meta FOR UPDATE")
    with pytest.raises(StoreUnavailable):
        await here.disable(issued)
    ended = time.monotonic() + 1
    while time.monotonic() < ended:
        assert 200 == await status(app, issued)
        await asyncio.sleep(0.01)
    assert 200 == await status(app, cold)
    await lock.rollback()
    await stranger.close()

    await here.disable(issued)
    await asyncio.sleep(0.4)
    assert 401 == await status(app, issued)


@pytest.fixture
async def reader(here: Installation) -> AsyncIterator[tuple[str, str]]:
    """A role that may only read, and the statement that lets it write."""
    database = str(here.url).rpartition("/")[2]
    role = f"reader_of_{database}"
    await run_sql(f"CREATE ROLE {role} LOGIN", database=database)
    await run_sql(f"GRANT USAGE ON SCHEMA keyfob TO {role}", database=database)
    await run_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA keyfob TO {role}", database=database)
    yield role, f"GRANT ALL ON ALL TABLES IN SCHEMA keyfob TO {role}"
    await run_sql(f"DROP OWNED BY {role}", database=database)
    await run_sql(f"DROP ROLE {role}", database=database)


async def test_sf_08_a_host_that_may_only_read_verifies(
    here: Installation, reader: tuple[str, str], hosts: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nothing may be written keys pass, changes are 503, one complaint is logged, and uses are written later."""
    role, to_write = reader
    app = host(hosts, here, str(here.url).replace("keyfob@", f"{role}@"), max_staleness=0.4)
    issued = await here.issue("items:read")
    for _ in range(25):
        assert 200 == await status(app, issued)
        await asyncio.sleep(0.1)
    with pytest.raises(StoreUnavailable):
        await Installation(here.folder, app.runtime.store, here.signing, here.pool).disable(issued)
    assert 200 == await status(app, issued)
    assert 1 == caplog.text.count("uses of keys are kept in memory")
    assert 0 == await admitted_uses(here, issued)

    await run_sql(to_write, database=str(here.url).rpartition("/")[2])
    await until(lambda: _are_written(here, issued, 26))
    await app.runtime.stop()


async def _are_written(here: Installation, issued: Issued, times: int) -> bool:
    return times == await admitted_uses(here, issued)


@pytest.mark.parametrize("loss", ["dropped", "emptied"])
async def test_sf_16_without_the_database_no_key_passes_for_long(
    here: Installation, hosts: AsyncExitStack, loss: str
) -> None:
    """A database dropped or emptied under a host ends in 503 once the lease is over, and is not made anew."""
    app = host(hosts, here, str(here.url), max_staleness=0.4)
    issued = await here.issue("items:read")
    assert 200 == await status(app, issued)
    name = str(here.url).rpartition("/")[2]
    if loss == "emptied":
        await run_sql("DROP SCHEMA keyfob CASCADE", database=name)
    else:
        await run_sql(f"DROP DATABASE {name} WITH (FORCE)")
    await asyncio.sleep(0.45)

    assert [503] * 5 == [await status(app, issued) for _ in range(5)]
    if loss == "dropped":
        assert 0 == await run_sql(f"SELECT count(*) FROM pg_database WHERE datname = '{name}'")  # noqa: S608 (ours)
        await run_sql(f"CREATE DATABASE {name}")  # for the fixture to drop


async def test_sf_11_what_a_stopped_host_answered_is_written(here: Installation, hosts: AsyncExitStack) -> None:
    """A stop writes every use, however long the interval."""
    app = host(hosts, here, str(here.url), max_staleness=60)
    issued = await here.issue("items:read")
    for _ in range(30):
        assert 200 == await status(app, issued)
    await app.runtime.stop()

    assert 30 == await admitted_uses(here, issued)
