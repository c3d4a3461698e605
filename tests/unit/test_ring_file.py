from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ConfigError
from keyfob.keyring.file import load_ring, write_ring
from keyfob.keyring.keyring import Ring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyfob.ring"


@pytest.fixture(params=[0o022, 0o000, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_se_08_a_ring_is_written_for_its_owner_alone(path: Path) -> None:
    """Mode 0600 under any umask, when it is made and when it is replaced."""
    ring = Ring.new(NOON)
    write_ring(path, ring)
    made = mode_of(path)
    write_ring(path, ring.added(NOON), replaces=ring)

    assert (0o600, 0o600) == (made, mode_of(path))


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o660, 0o666, 0o777], ids=oct)
def test_se_08_a_ring_that_others_can_use_is_refused(path: Path, mode: int) -> None:
    """Any right of group or others is too much; the message names file, mode and mend."""
    write_ring(path, Ring.new(NOON))
    path.chmod(mode)

    with pytest.raises(ConfigError, match=f"mode {mode:04o}.*chmod 600 {path}"):
        load_ring(path)


@pytest.mark.parametrize("mode", [0o600, 0o400], ids=oct)
def test_a_ring_that_is_its_owners_alone_is_read(path: Path, mode: int) -> None:
    """What was written is read back."""
    ring = Ring.new(NOON).added(NOON)
    write_ring(path, ring)
    path.chmod(mode)

    assert ring == load_ring(str(path)) == load_ring(path)


def test_a_missing_ring_is_never_made_up(path: Path) -> None:
    """Reading a ring that is not there is an error that says how to get one, and leaves nothing behind."""
    with pytest.raises(ConfigError, match=f"{path}: it is missing; `keyfob init`"):
        load_ring(path)

    assert [] == list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"", "holds no entry"), (b"[a", "not TOML"), (b"SQLite format 3\0\xff\xfe", "not a text file")],
    ids=["empty", "malformed", "a database"],
)
def test_a_malformed_ring_is_refused_by_name(path: Path, content: bytes, complaint: str) -> None:
    """What is no ring is refused, and the message says which file it was."""
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError, match=f"{path}: .*{complaint}"):
        load_ring(path)


def test_what_cannot_be_read_is_refused_by_name(path: Path) -> None:
    """A folder, or a path through a file, is a configuration error like any other."""
    path.mkdir()
    (path / "file").touch()

    for wrong in (path, path / "file" / "keyfob.ring"):
        with pytest.raises(ConfigError, match=f"{wrong}: it cannot be read"):
            load_ring(wrong)


def test_making_a_ring_never_overwrites_one(path: Path) -> None:
    """A second `init` in the same folder leaves the first one's keys as they are."""
    first = Ring.new(NOON)
    write_ring(path, first)

    with pytest.raises(ConfigError, match="there already"):
        write_ring(path, Ring.new(NOON))

    assert first == load_ring(path)
    assert [path] == list(path.parent.iterdir())


def test_making_a_ring_through_a_link_never_overwrites_one(path: Path) -> None:
    """A link to a ring counts as the ring."""
    write_ring(path, Ring.new(NOON))
    link = path.with_name("link.ring")
    link.symlink_to(path)

    with pytest.raises(ConfigError, match="there already"):
        write_ring(link, Ring.new(NOON))


def test_a_replaced_ring_keeps_what_somebody_else_added(path: Path) -> None:
    """Two additions at once: the second one is told to try again instead of losing the first one's entry."""
    before = Ring.new(NOON)
    write_ring(path, before)
    one, other = before.added(NOON), before.added(NOON)
    write_ring(path, one, replaces=before)

    with pytest.raises(ConfigError, match="changed by somebody else"):
        write_ring(path, other, replaces=before)

    assert one == load_ring(path)


def test_a_link_to_a_ring_stays_a_link(path: Path) -> None:
    """Where the ring is kept elsewhere and linked, it is replaced there."""
    before = Ring.new(NOON)
    write_ring(path, before)
    link = path.with_name("link.ring")
    link.symlink_to(path)
    write_ring(link, before.added(NOON), replaces=before)

    assert link.is_symlink()
    assert ["a", "b"] == list(load_ring(path).entries)


def test_a_ring_that_cannot_be_written_is_refused_by_name(path: Path) -> None:
    """A folder that is not there is an error that names the file."""
    with pytest.raises(ConfigError, match=r"nowhere/keyfob\.ring: it cannot be written: No such file"):
        write_ring(path.parent / "nowhere" / "keyfob.ring", Ring.new(NOON))


def test_a_write_that_fails_leaves_the_old_ring_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the new entry, never the old ones."""
    before = Ring.new(NOON)
    write_ring(path, before)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        write_ring(path, before.added(NOON), replaces=before)

    assert before == load_ring(path)
    assert [path] == list(path.parent.iterdir())


def test_a_ring_is_on_the_disk_before_it_has_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is synced before the name, and the folder after it: a crash leaves the whole ring or the old one."""
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_ring(path, Ring.new(NOON))

    assert [(False, False), (True, True)] == synced
