from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.store.opening import open_store
from keyfob.store.postgres.migrations import SCHEMA, migrate, steps
from keyfob.store.sql.migrations import Step
from keyfob.store.url import StoreURL
from tests.postgres_server import fresh_database, run_sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_STEPS = steps()


@pytest.fixture
async def empty() -> AsyncIterator[str]:
    async with fresh_database(empty=True) as url:
        yield url


async def sql(url: str, statement: str) -> object:
    """Run *statement* in the database at *url*."""
    return await run_sql(statement, database=url.rpartition("/")[2])


def test_steps_are_numbered_without_a_gap() -> None:
    """The file names are 1, 2, 3 … up to the schema that the code speaks of."""
    assert list(range(1, SCHEMA + 1)) == [step.number for step in steps()]


def test_released_steps_do_not_change() -> None:
    """A step that some database has taken already must stay as it was; a new step is a new file."""
    released = {
        "0001_first.sql": "b78f074f728ce07107e50a90d40bb2cc3863f23d49c09b60fd10871f57a2de2a",
    }
    assert released == {step.name: step.checksum for step in steps()}


async def test_migrating_twice_does_nothing_the_second_time(empty: str) -> None:
    """What is there is kept, and the epoch with it."""
    assert SCHEMA == await migrate(StoreURL.parse(empty))
    before = await sql(empty, "SELECT epoch FROM keyfob.meta")

    assert 0 == await migrate(StoreURL.parse(empty))
    assert before == await sql(empty, "SELECT epoch FROM keyfob.meta")


async def test_eight_workers_may_start_at_once(empty: str) -> None:
    """Of all processes that make an empty database, one does it, the others wait, and none fails."""
    program = """
import asyncio, sys
from keyfob.store.url import StoreURL
from keyfob.store.postgres.migrations import migrate
print(asyncio.run(migrate(StoreURL.parse(sys.argv[1]))))
"""
    workers = [
        subprocess.Popen([sys.executable, "-c", program, empty], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
        for _ in range(8)
    ]
    told = await asyncio.gather(*(asyncio.to_thread(worker.communicate) for worker in workers))

    assert sorted(["0\n"] * 7 + [f"{SCHEMA}\n"]) == sorted(output for output, _ in told)
    assert [0] * 8 == [worker.returncode for worker in workers]


async def test_a_step_that_fails_leaves_the_database_as_it_was(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps are one transaction: a broken one takes those before it along."""
    broken = Step(SCHEMA + 1, "broken.sql", "CREATE TABLE keyfob.half (x integer); SELECT no_such_function()")
    monkeypatch.setattr("keyfob.store.postgres.migrations.steps", lambda: [*_STEPS, broken])

    with pytest.raises(ConfigError, match="no_such_function"):
        await migrate(StoreURL.parse(empty))

    assert await sql(empty, "SELECT to_regnamespace('keyfob') IS NULL")


async def test_a_step_that_was_changed_is_noticed(empty: str) -> None:
    """Who edits a released step is told, before anything else is done."""
    await migrate(StoreURL.parse(empty))
    await sql(empty, "UPDATE keyfob.migrations SET checksum = 'another'")

    with pytest.raises(ConfigError, match=r"0001_first\.sql"):
        await migrate(StoreURL.parse(empty))


async def test_a_newer_database_is_left_alone(empty: str) -> None:
    """An old worker neither migrates what a newer one has made, nor reads it when it cannot (MW-08)."""
    await migrate(StoreURL.parse(empty))
    store = open_store(empty)
    await store.changes(None)
    await sql(empty, "INSERT INTO keyfob.migrations SELECT max(number) + 1, 'later', '', 0 FROM keyfob.migrations")

    with pytest.raises(ConfigError, match="newer Keyfob"):
        await migrate(StoreURL.parse(empty))
    await store.changes(None)  # the newer schema is one that this code understands

    await sql(empty, "UPDATE keyfob.meta SET min_reader = 999")
    with pytest.raises(StoreUnavailable, match="newer Keyfob"):
        await store.changes(None)
    with pytest.raises(StoreUnavailable, match="newer Keyfob"):
        await open_store(empty).teams()
    await store.close()


async def test_a_database_that_is_not_there_is_named(empty: str) -> None:
    """What cannot be reached is a ConfigError that names the address, without its password."""
    missing = empty.replace("keyfob@", "keyfob:hunter2@") + "_missing"

    with pytest.raises(ConfigError, match="_missing") as failed:
        open_store(missing, create=True)

    assert "hunter2" not in str(failed.value)


async def test_a_schema_that_was_made_for_us_is_used(empty: str) -> None:
    """Who may not make schemas in the database needs only one that is made for it."""
    role = f"app_{empty.rpartition('_')[2]}"
    await sql(empty, f"CREATE ROLE {role} LOGIN")
    await sql(empty, f"CREATE SCHEMA keyfob AUTHORIZATION {role}")
    try:
        assert SCHEMA == await migrate(StoreURL.parse(empty.replace("keyfob@", f"{role}@")))
    finally:
        await sql(empty, "DROP SCHEMA keyfob CASCADE")
        await sql(empty, f"DROP ROLE {role}")
