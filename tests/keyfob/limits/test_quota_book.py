from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from keyfob.limits.quota_book import QuotaBook
from tests.keyfob.limits.quota_book_contract import QuotaBookContract, purse
from tests.keyfob.store.sqlite.on_sqlite import path, store

if TYPE_CHECKING:
    from keyfob.store.sqlite.store import SQLiteStore

__all__ = ["path", "store"]


class TestOnSQLite(QuotaBookContract):
    """Portions leased from a file."""


async def test_a_fork_has_nothing_of_the_portions(store: SQLiteStore) -> None:
    """What was leased before a fork is the parent's alone."""
    book, purses = QuotaBook(store.quotas), (purse(1000),)
    await book.acquire(purses, 1)
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        os._exit(0 if book.take(purses, 1) is None else 1)

    assert 0 == os.waitstatus_to_exitcode((await asyncio.to_thread(os.waitpid, child, 0))[1])
    assert book.take(purses, 1) is not None
