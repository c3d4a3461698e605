"""Workers of two versions on one database: those of a released version beside those of today.

Until there is a release to start from, today's own code is packed and stands in for the older version.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import keyfob
from keyfob import APIKeyMiddleware
from keyfob.keyring.file import load_keyring
from keyfob.store.opening import open_store
from keyfob.store.sqlite.migrations import SCHEMA
from tests.keyfob.conftest import Echo, ask, until
from tests.keyfob.management.conftest import ROOT
from tests.postgres_server import fresh_database, run_sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RELEASED = sorted((Path(__file__).parent / "released").glob("keyfob-*.zip"))  # the package `keyfob` alone
RULES = {"GET /items": "items:read"}
BOUND = 0.4
OLDEST_READER = SCHEMA + (not RELEASED)  # a schema that the older code does not know
OLD_WORKER = """
import asyncio, sys
from pathlib import Path
import keyfob
from keyfob import APIKeyMiddleware
from keyfob.testing import installation

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

async def ask(guarded, key):
    told = []
    async def send(message):
        told.append(message.get("status"))
    headers = [(b"x-api-key", key.encode())]
    scope = {"type": "http", "method": "GET", "path": "/items", "headers": headers, "client": ("192.0.2.1", 1)}
    await guarded(scope, None, send)
    return told[0]

async def main(folder, url, bound):
    assert ".zip" in keyfob.__file__, keyfob.__file__
    async with installation(Path(folder), url=url) as here:
        key = (await here.issue("items:read")).text
        guarded = APIKeyMiddleware(app, **here.options, rules={"GET /items": "items:read"}, max_staleness=float(bound))
        await guarded.runtime.start()
        print(key, flush=True)
        while (line := await asyncio.to_thread(sys.stdin.readline)).strip():
            print(await ask(guarded, key), flush=True)
        await guarded.runtime.stop()

asyncio.run(main(*sys.argv[1:]))
"""


class OldWorker:
    """A process of the released version, and the key that it made in a database of its own schema."""

    def __init__(self, process: asyncio.subprocess.Process, key: str) -> None:
        self.process = process
        self.key = key

    async def status(self) -> int:
        """What it answers to a request with its key."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"ask\n")
        return int(await _line(self.process))


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


def _packed(folder: Path) -> Path:
    """The newest release, or today's package in its place; read by zipimport."""
    if RELEASED:
        return RELEASED[-1]
    package = Path(keyfob.__file__).parent
    return Path(shutil.make_archive(str(folder / "keyfob-today"), "zip", package.parent, package.name))


@asynccontextmanager
async def old_worker(folder: Path, url: str) -> AsyncIterator[OldWorker]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OLD_WORKER, str(folder), url, str(BOUND)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(_packed(folder))},
    )
    try:
        yield OldWorker(process, await _line(process))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'keyfob.db'}"
    else:
        async with fresh_database(empty=True) as made:
            yield made


async def test_mw_08_old_workers_serve_while_the_database_and_new_ones_go_forward(tmp_path: Path, url: str) -> None:
    """An older worker goes on through the migration, applies what new code disables, and stops where it must."""
    async with old_worker(tmp_path, url) as old:
        assert 200 == await old.status()

        entry = load_keyring(tmp_path / "keyfob.keyring").newest
        store = open_store(url, audit_key=lambda: entry, create=True)  # migrates
        new = APIKeyMiddleware(Echo(), store=url, keyring=tmp_path / "keyfob.keyring", rules=RULES, max_staleness=BOUND)
        await new.runtime.start()
        headers = {"X-API-Key": old.key}
        assert (200, 200) == (await old.status(), (await ask(new, "/items", headers)).status)

        await new.runtime.lifecycle.disable("default", old.key.split("_")[2], actor=ROOT)
        await asyncio.sleep(0 if store.is_immediate else BOUND)
        assert (401, 401) == (await old.status(), (await ask(new, "/items", headers)).status)
        assert 2 == len(await store.workers.all())

        await new.runtime.lifecycle.enable("default", old.key.split("_")[2], actor=ROOT)
        await until(lambda: passes(old))
        await leave_old_code_behind(url)
        await asyncio.sleep(BOUND)
        assert (503, 200 if RELEASED else 503) == (await old.status(), (await ask(new, "/items", headers)).status)
        await new.runtime.stop()
        await store.close()


async def passes(old: OldWorker) -> bool:
    return 200 == await old.status()


async def leave_old_code_behind(url: str) -> None:
    """Say that only code of the present schema can read the database."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute("UPDATE meta SET min_reader = ?", (OLDEST_READER,))
    else:
        await run_sql(f"UPDATE keyfob.meta SET min_reader = {OLDEST_READER:d}", database=url.rpartition("/")[2])  # noqa: S608 - a number of our own
