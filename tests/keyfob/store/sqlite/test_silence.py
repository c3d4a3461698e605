"""What the store's connections leave behind: nothing in a log, and no lock on an event loop that stands still."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.store.contract import StoredSecret, Use
from keyfob.store.workers import Worker
from tests.keyfob.store.samples import ELEVEN, KEY, NOON, SECRET, adding
from tests.keyfob.store.sqlite.on_sqlite import path, store

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.store.sqlite.store import SQLiteStore

__all__ = ["path", "store"]


async def test_ff_72_nothing_of_a_statement_is_logged(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at DEBUG and asyncio's debug mode on, neither statements, values nor rows are in the log."""
    caplog.set_level(logging.DEBUG)
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    new = StoredSecret("$argon2id$CANARY-NEW", b"CANARY-DIGEST")

    await store.change(adding(KEY))
    await store.save_digest(KEY.id, SECRET.hash, new)
    assert new == (await store.find(KEY.id)).secret
    await store.changes(0)
    await store.view(KEY.id)
    await store.add_usage({KEY.id: Use(NOON, "203.0.113.99")})
    with pytest.raises(StoreUnavailable):
        await store.read("SELECT 'CANARY' FROM no_such_table")
    loop.set_debug(False)

    assert caplog.records
    for secret in ("CANARY", SECRET.hash, "SELECT", "INSERT", "PRAGMA", KEY.name, "203.0.113.99", "no_such_table"):
        assert secret not in caplog.text


@pytest.mark.parametrize("what", ["usage", "digest", "worker"])
def test_ff_68_a_loop_that_stands_still_holds_no_lock(store: SQLiteStore, path: Path, what: str) -> None:
    """Wherever a loop is stopped while it writes in the background, other processes can write meanwhile."""
    asyncio.run(store.change(adding(KEY)))
    loop = asyncio.new_event_loop()

    async def write() -> None:
        match what:
            case "usage":
                await store.add_usage({KEY.id: Use(NOON, None)})
            case "digest":
                await store.save_digest(KEY.id, SECRET.hash, SECRET)
            case _:
                await store.workers.put(Worker("w", "host", 2.0, "", 1, ELEVEN))

    task = loop.create_task(write())
    with closing(sqlite3.connect(path, isolation_level=None, timeout=1)) as other:
        while not task.done():
            loop.run_until_complete(asyncio.sleep(0))
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
    loop.run_until_complete(store.close())
    loop.close()
    task.result()
