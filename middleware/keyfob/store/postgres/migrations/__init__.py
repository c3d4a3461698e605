"""The numbered steps from nothing to the present schema. They go forward only, and never change once released."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import asyncpg

from keyfob.errors import ConfigError, NotMigrated, Outdated
from keyfob.store.postgres.address import connect
from keyfob.store.sql.migrations import Step, missing_steps, steps_in

if TYPE_CHECKING:
    from asyncpg import Connection

    from keyfob.store.url import StoreURL

SCHEMA = 1  # the number of the newest step that this code knows

_CONNECT_LIMIT = 10.0  # seconds
_ONE_AT_A_TIME = 0x6B6579666F62  # "keyfob": the lock under which the steps are taken
_BEGIN = f"""
BEGIN;
SET LOCAL lock_timeout = '60s';
SET LOCAL statement_timeout = 0;
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'remote_apply';
SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})
"""
_LEDGER = """
CREATE TABLE IF NOT EXISTS keyfob.migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at bigint NOT NULL
)
"""
_APPLIED = "INSERT INTO keyfob.migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)"


def steps() -> list[Step]:
    """All steps, in their order."""
    return steps_in(__name__)


async def migrate(url: StoreURL) -> int:
    """Bring the database to the present schema; how many steps that took.

    Safe when several processes do it at once: the first does the work in one transaction while the others wait.

    Raises:
        ConfigError: the database cannot be reached or changed, belongs to a newer Keyfob, or its steps are not those
            of this one.
    """
    try:
        connection = await connect(url, within=_CONNECT_LIMIT)
        try:
            await connection.execute(_BEGIN)
            taken = await _apply_missing(connection, url)
            await connection.execute("COMMIT")
        finally:
            connection.terminate()
            await asyncio.sleep(0)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise ConfigError(f"cannot make or migrate the database at {url.shown}: {error}") from error
    return taken


async def pending(url: StoreURL) -> list[str]:
    """Name the steps that `migrate` would take. Changes nothing. Raises ConfigError like `migrate`."""
    try:
        connection = await connect(url, within=_CONNECT_LIMIT)
        try:
            exists = await connection.fetchval("SELECT to_regclass('keyfob.migrations') IS NOT NULL")
            found = await connection.fetch("SELECT number, checksum FROM keyfob.migrations") if exists else []
        finally:
            connection.terminate()
            await asyncio.sleep(0)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise ConfigError(f"the database at {url.shown} cannot be read: {error}") from error
    return [step.name for step in missing_steps(steps(), dict(found), url.shown)]


def migrate_now(url: StoreURL) -> None:
    """The same for who cannot wait for a coroutine, wherever it is called."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(migrate(url))
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that called)
            failed.append(error)

    thread = threading.Thread(target=work, name="keyfob-migrate")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


async def _apply_missing(connection: Connection[Any], url: StoreURL) -> int:
    if not await connection.fetchval("SELECT to_regnamespace('keyfob') IS NOT NULL"):
        await connection.execute("CREATE SCHEMA keyfob")
    await connection.execute(_LEDGER)
    applied = dict(await connection.fetch("SELECT number, checksum FROM keyfob.migrations"))
    missing = missing_steps(steps(), applied, url.shown)
    for step in missing:
        await connection.execute(step.sql)
        await connection.execute(_APPLIED, step.number, step.name, step.checksum, time.time_ns() // 1000)
    return len(missing)


def judge_schema(number: int | None, min_reader: int) -> None:
    """Raise NotMigrated or Outdated unless this code can work with a database of schema *number*."""
    if number is None or number < SCHEMA:
        raise NotMigrated("the database has not got the present schema; run `keyfob db migrate`")
    if min_reader > SCHEMA:
        raise Outdated(f"the database belongs to a newer Keyfob (it needs schema {min_reader}, this has {SCHEMA})")
