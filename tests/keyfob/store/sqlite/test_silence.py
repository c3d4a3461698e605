"""What the store's connections leave behind: no lock on an event loop that stands still."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from keyfob.store.contract.key_store import Use
from keyfob.store.contract.workers import Worker
from tests.keyfob.store.samples import ELEVEN, KEY, NOON, SECRET, adding
from tests.keyfob.store.sqlite.on_sqlite import path, store

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.store.sqlite.store import SQLiteStore

__all__ = ["path", "store"]


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
