"""The console's tables in each store, and a store that has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from keyfob.errors import ConfigError
from keyfob_admin.sessions import console_of
from tests.keyfob_admin.console.conftest import Installation, installed
from tests.keyfob_admin.console.store_contract import ConsoleStoreContract
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from keyfob.store.contract.key_store import KeyStore


class TestSQLiteConsole(ConsoleStoreContract):
    """The installation that every test gets is on SQLite."""


class TestPostgresConsole(ConsoleStoreContract):
    @pytest.fixture
    async def installation(self, tmp_path: Path) -> AsyncIterator[Installation]:
        async with fresh_database() as url:
            yield await installed(tmp_path, store=url)


def test_a_store_without_a_console_is_refused_in_words() -> None:
    """Who configures a store that keeps no sessions is told at once."""
    with pytest.raises(ConfigError, match="keeps no sessions"):
        console_of(cast("KeyStore", object()))
