"""A disk that is full, and the space that is kept back so that keys can still be revoked."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.store.sqlite import admin as sqlite_admin
from keyfob.store.sqlite.reserve import SIZE, Reserve
from tests.keyfob.store.samples import KEY, NOON, adding, key, putting
from tests.keyfob.store.sqlite.on_sqlite import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system."""
    point = tmp_path / "disk"
    point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(point)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a file system")
    yield point
    subprocess.run(["umount", "--lazy", str(point)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    assert 0 == os.statvfs(folder).f_bavail
    return filler


async def test_ff_34_a_key_is_revoked_on_a_full_disk(disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What adds keys is unavailable; what takes away is written in the reserve, which is filled again later."""
    store, reserve = opened(disk / "keys.db", create=True), Reserve(disk / "keys.db")
    await store.change(adding(KEY, *(key(number) for number in range(1, 200))))
    await sqlite_admin.checkpoint(store)  # so that the next write needs room
    assert SIZE == reserve.size()
    filler = fill(disk)

    with pytest.raises(StoreUnavailable):
        await store.change(adding(*(key(number) for number in range(300, 500))))
    assert SIZE == reserve.size()
    disabled = [replace(KEY, disabled_at=NOON), *(replace(key(number), disabled_at=NOON) for number in range(1, 6))]
    for each in disabled:
        await store.change(putting(each))

    found = [(await store.find(each.id)).record for each in disabled]
    assert [True] * 6 == [record.is_disabled for record in found if record is not None]
    assert 1 <= caplog.text.count("in reserve")
    filler.unlink()
    await store.changes(None)
    assert SIZE == reserve.size()
    await store.close()


async def test_a_reserve_is_not_all_there_is(disk: Path) -> None:
    """On a disk with little room less is kept back, or nothing: never what others need to go on."""
    (disk / "keys.db").touch()
    reserve = Reserve(disk / "keys.db")
    filler = disk / "filler"
    filler.write_bytes(b"\0" * ((4 << 20) - (1 << 19) - (1 << 16)))

    reserve.keep()

    assert 1 << 16 <= reserve.size() <= 1 << 18
    assert reserve.release()
    assert not reserve.release()
    fill(disk)
    reserve.keep()
    assert 0 == reserve.size()


@pytest.mark.parametrize("kind", ["folder", "link", "hard link"])
def test_what_stands_in_the_place_of_the_reserve_is_left_alone(tmp_path: Path, kind: str) -> None:
    """A file of somebody else's is neither filled nor emptied."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / "keys.db").touch()
    reserve = Reserve(tmp_path / "keys.db")
    match kind:
        case "folder":
            reserve.path.mkdir()
        case "link":
            reserve.path.symlink_to(precious)
        case _:
            os.link(precious, reserve.path)

    reserve.keep()

    assert not reserve.release()
    assert b"precious" == precious.read_bytes()


def test_a_reserve_is_made_without_fallocate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On systems that cannot allocate in advance, the file is written."""
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    (tmp_path / "keys.db").touch()

    Reserve(tmp_path / "keys.db").keep()

    assert SIZE == Reserve(tmp_path / "keys.db").size()
