"""One database under two names is two write-ahead logs and two signals, so it is refused."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ConfigError
from keyfob.store.opening import open_store
from tests.keyfob.store.sqlite.on_sqlite import opened, path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["path"]


@pytest.fixture
def database(path: Path) -> Path:
    open_store(f"sqlite:///{path}", create=True)
    return path


@contextmanager
def mounted(source: Path, target: Path) -> Iterator[None]:
    done = subprocess.run(["mount", "--bind", str(source), str(target)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("only root can mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(target)], check=True)


@pytest.mark.parametrize("create", [False, True])
def test_ff_03_a_hard_link_is_refused_by_either_name(database: Path, tmp_path: Path, create: bool) -> None:  # noqa: FBT001
    """Whichever name a process is given, it does not start, and is told what to do."""
    (tmp_path / "b").mkdir()
    second = tmp_path / "b" / "second.db"
    os.link(database, second)

    for name in (database, second):
        with pytest.raises(ConfigError, match="hard links"):
            open_store(f"sqlite:///{name}", create=create)
    second.unlink()
    assert opened(database).is_immediate


def test_ff_03_a_file_that_is_a_mount_point_is_refused(database: Path, tmp_path: Path) -> None:
    """A container that is given the file alone keeps its log outside the mount, and loses it; the folder is shared."""
    (tmp_path / "of a container").mkdir()
    target = tmp_path / "of a container" / "keys.db"
    target.touch()
    with mounted(database, target), pytest.raises(ConfigError, match="mount the folder"):
        open_store(f"sqlite:///{target}")


def test_ff_03_a_folder_that_is_mounted_twice_is_one_database(database: Path, tmp_path: Path) -> None:
    """What containers share as a folder has one log and one signal, by whatever path."""
    target = tmp_path / "shared"
    target.mkdir()
    with mounted(database.parent, tmp_path / "shared"):
        here, there = opened(database), opened(target / database.name)

        assert here.signal_id == there.signal_id != ""


def test_ff_03_a_symbolic_link_is_no_second_name(database: Path, tmp_path: Path) -> None:
    """Links are followed before files are named."""
    link = tmp_path / "link.db"
    link.symlink_to(database)

    assert opened(database).signal_id == opened(link).signal_id
