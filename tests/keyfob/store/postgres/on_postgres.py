"""A database of its own for a test of the PostgreSQL store, and two processes' views of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from keyfob.store.opening import open_store
from keyfob.store.postgres.store import PostgresStore
from tests.keyfob.store.samples import SIGNING_KEY
from tests.postgres_server import fresh_database, run_sql
from tests.tcp_proxy import Network, network_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'keyfob'"


def opened(url: str) -> PostgresStore:
    made = open_store(url, audit_key=lambda: SIGNING_KEY)
    assert isinstance(made, PostgresStore)
    return made


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with fresh_database() as address:
        yield address


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    made = opened(url)
    yield made
    await made.close()


@pytest.fixture
async def other(url: str) -> AsyncIterator[PostgresStore]:
    made = opened(url)
    yield made
    await made.close()


@pytest.fixture
async def network(url: str) -> AsyncIterator[Network]:
    async with network_to(url) as made:
        yield made


@pytest.fixture
async def distant(network: Network) -> AsyncIterator[PostgresStore]:
    """A host whose network a test can break."""
    made = opened(network.url)
    yield made
    await made.close()


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


async def sql(url: str, statement: str) -> object:
    """Run *statement* in the database at *url*, behind Keyfob's back."""
    return await run_sql(statement, database=name_of(url))


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Wait for what happens in the server, or in another task."""
    while not await holds():  # noqa: ASYNC110 (nobody is there who could set an event)
        await asyncio.sleep(0.01)
