from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.store import open_store
from tests.postgres_server import fresh_database
from tests.stores.contract import StoreContract
from tests.stores.samples import RING_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfob.store import KeyStore


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with fresh_database() as address:
        yield address


@pytest.fixture
async def store(url: str) -> AsyncIterator[KeyStore]:
    made = open_store(url, seal_with=lambda: RING_KEY)
    yield made
    await made.close()


@pytest.fixture
async def other(url: str) -> AsyncIterator[KeyStore]:
    made = open_store(url, seal_with=lambda: RING_KEY)
    yield made
    await made.close()


class TestPostgresStore(StoreContract):
    """The whole contract."""
