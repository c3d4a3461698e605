"""A database file for a test of the SQLite store, and two processes' views of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.store.opening import open_store
from keyfob.store.sqlite.store import SQLiteStore
from tests.keyfob.store.samples import SIGNING_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def opened(path: Path, *, create: bool = False) -> SQLiteStore:
    made = open_store(f"sqlite:///{path}", audit_key=lambda: SIGNING_KEY, create=create)
    assert isinstance(made, SQLiteStore)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    made = opened(path, create=True)
    yield made
    await made.close()


@pytest.fixture
async def other(path: Path, store: SQLiteStore) -> AsyncIterator[SQLiteStore]:  # after the store, which makes the file
    made = opened(path)
    yield made
    await made.close()
