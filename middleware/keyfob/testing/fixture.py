"""The pytest fixture. Only this module needs pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.testing.synchronous import SyncInstallation, sync_installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def keyfob_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncInstallation]:
    """A new installation for one test. Meanwhile the environment names it, for whoever reads a keyfob.toml."""
    folder = tmp_path / "keyfob"
    folder.mkdir()
    with sync_installation(folder) as here:
        for name, value in here.environ.items():
            monkeypatch.setenv(name, value)
        yield here
