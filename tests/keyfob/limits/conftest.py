"""A file that workers count in, and the time at which they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob.limits.counter_contract import Clock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyfob.db-limits"


@pytest.fixture
def clock() -> Clock:
    return Clock()
