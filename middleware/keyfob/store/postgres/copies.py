"""Backups of a PostgreSQL store, made and put back by PostgreSQL's own programs, ``pg_dump`` and ``pg_restore``."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from keyfob.errors import ConfigError
from keyfob.store.postgres.address import connect
from keyfob.store.postgres.failures import translate_failures
from keyfob.store.postgres.migrations import migrate
from keyfob.store.sql.lasting_rows import LASTING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from asyncpg import Connection

    from keyfob.store.url import StoreURL

_CONNECT_LIMIT = 10.0  # seconds
_IN_PLACE = ("--schema=keyfob", "--clean", "--if-exists", "--single-transaction", "--exit-on-error")
_TRIES = 5  # to put a copy back while workers read
_PASSES = ("sessions", "sign_in_links", "handovers", "drafts", "workers")  # tables whose rows are of the moment
_AFTER = """
BEGIN;
DELETE FROM keyfob.drafts;
DELETE FROM keyfob.sign_in_links;
DELETE FROM keyfob.handovers WHERE collected_at IS NULL;
DELETE FROM keyfob.sessions;
DELETE FROM keyfob.workers;
UPDATE keyfob.quota_use SET leased = 0;
UPDATE keyfob.meta SET epoch = '{epoch}', revision = greatest(revision, {revision}) + 1;
COMMIT
"""


def backup(url: StoreURL, file: Path) -> None:
    """Copy the schema ``keyfob`` to the new *file*, readable to its owner alone. Raises ConfigError."""
    try:
        file.touch(0o600, exist_ok=False)
    except OSError as error:
        raise ConfigError(f"cannot make {file}: {error.strerror}; name a new file in a folder that exists") from error
    left_out = [f"--exclude-table-data=keyfob.{table}" for table in _PASSES]
    try:
        _run("pg_dump", url, "--format=custom", "--schema=keyfob", *left_out, f"--file={file}")
    except BaseException:
        file.unlink()
        raise


async def restore(url: StoreURL, file: Path) -> None:
    """Put the backup *file* in place of what the database holds, in one transaction.

    Every worker drops its cache, because the tables are new ones. Nobody's session comes back, and what was told and
    used of quotas stays so. Raises ConfigError, StoreUnavailable.
    """
    revision, lasting = await _present(url)
    _put_back(url, file)
    await migrate(url)
    async with _connected(url) as connection:
        await connection.execute(_AFTER.format(epoch=secrets.token_hex(16), revision=revision))
        async with connection.transaction():
            for table, rows in lasting.items():
                present = f"json_populate_recordset(NULL::keyfob.{table}, $1::text::json)"
                await connection.execute(LASTING[table].format(table=f"keyfob.{table}", present=present), rows)


def _put_back(url: StoreURL, file: Path) -> None:
    """Run pg_restore. A worker that reads several tables and it may wait for each other, and the server ends one.

    The server says so in its own language; the names of locks are the same in all of them.
    """
    for left in reversed(range(_TRIES)):
        try:
            _run("pg_restore", url, *_IN_PLACE, str(file))
        except ConfigError as error:  # nothing was changed
            if not left or "AccessExclusiveLock" not in str(error):
                raise
        else:
            return


async def _present(url: StoreURL) -> tuple[int, dict[str, str]]:
    """The revision, and what lasts as JSON; nothing where there is no database yet. Raises StoreUnavailable.

    The schema itself is kept, because its owner may not be allowed to make one; it is made where there is none.
    """
    async with _connected(url) as connection:
        if await connection.fetchval("SELECT to_regnamespace('keyfob') IS NULL"):
            await connection.execute("CREATE SCHEMA keyfob")
        if await connection.fetchval("SELECT to_regclass('keyfob.meta') IS NULL"):
            return 0, {}
        rows = "SELECT coalesce(json_agg(one), '[]')::text FROM keyfob.{} one"
        lasting = {table: await connection.fetchval(rows.format(table)) for table in LASTING}
        return int(await connection.fetchval("SELECT revision FROM keyfob.meta")), lasting


@asynccontextmanager
async def _connected(url: StoreURL) -> AsyncIterator[Connection[Any]]:
    async with translate_failures(None):
        connection = await connect(url, within=_CONNECT_LIMIT)
        try:
            yield connection
        finally:
            await connection.close()


def _run(program: str, url: StoreURL, *options: str) -> None:
    """Run one of PostgreSQL's programs. It gets the password in its environment: others see its arguments."""
    found = shutil.which(program)
    if found is None:
        raise ConfigError(f"{program} is not installed; it comes with PostgreSQL's client programs")
    address, password = _without_password(url)
    environ = {**os.environ, "PGPASSWORD": password} if password else None
    command = [found, "--no-owner", "--no-privileges", "--no-password", f"--dbname={address}", *options]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if done.returncode:
        said = " ".join(done.stderr.split())[:500]
        raise ConfigError(f"{program} failed: {said.replace(password, '…') if password else said}")


def _without_password(url: StoreURL) -> tuple[str, str]:
    """Split off the password, which may stand before the host or, winning then, among the parameters.

    Raises:
        ConfigError: there is a password of the client's key, too, which PostgreSQL's programs take only as an argument.
    """
    parts = urlsplit(url.dsn)
    credentials, at, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    given = [entry.partition("=") for entry in parts.query.split("&")]
    if any(name == "sslpassword" for name, _, _ in given):
        raise ConfigError("sslpassword would be shown to whoever lists processes; use a client key without a password")
    password = next((value for name, _, value in reversed(given) if name == "password"), password)
    rest = "&".join("".join(entry) for entry in given if entry[0] != "password")
    return parts._replace(netloc=f"{user}{at}{hosts}", query=rest).geturl(), unquote(password)
