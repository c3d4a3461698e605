"""On which store an installation is: on SQLite, and tests that are marked `both_engines` on PostgreSQL as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.postgres_server import store_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked `both_engines` on each."""
    if "engine" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_engines"):
        metafunc.parametrize("engine", ("sqlite", "postgres"))


@pytest.fixture
def engine() -> str:
    """Which store the installation is in."""
    return "sqlite"


@pytest.fixture
def store_setting(engine: str) -> Iterator[dict[str, str]]:
    """What names it among the settings."""
    with store_of(engine) as setting:
        yield setting
