"""The console's tables in SQLite, and a store that has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from keyfob.errors import ConfigError
from keyfob_admin.sign_in import console_of
from tests.console.store_contract import ConsoleStoreContract

if TYPE_CHECKING:
    from keyfob.store import KeyStore


class TestSQLiteConsole(ConsoleStoreContract):
    """The fixture *installation* is on SQLite."""


def test_a_store_without_a_console_is_refused_in_words() -> None:
    """Who configures a store that keeps no sessions is told at once."""
    with pytest.raises(ConfigError, match="keeps no sessions"):
        console_of(cast("KeyStore", object()))
