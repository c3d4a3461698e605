from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.store.opening import open_store
from tests.stores.contract import StoreContract
from tests.stores.samples import RING_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from keyfob.store import KeyStore


def opened(path: Path, *, create: bool = False) -> KeyStore:
    return open_store(f"sqlite:///{path}", seal_with=lambda: RING_KEY, create=create)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[KeyStore]:
    made = opened(path, create=True)
    yield made
    await made.close()


@pytest.fixture
async def other(path: Path, store: KeyStore) -> AsyncIterator[KeyStore]:  # noqa: ARG001 (the store makes the file)
    made = opened(path)
    yield made
    await made.close()


class TestSQLiteStore(StoreContract):
    """The contract, on a real file."""
