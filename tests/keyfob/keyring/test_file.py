from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ConfigError
from keyfob.keyring.file import load_keyring, write_keyring
from keyfob.keyring.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyfob.keyring"


@pytest.fixture(params=[0o022, 0o000, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_se_08_a_keyring_is_written_for_its_owner_alone(path: Path) -> None:
    """Mode 0600 under any umask, when it is made and when it is replaced."""
    keyring = Keyring.new(NOON)
    write_keyring(path, keyring)
    made = mode_of(path)
    write_keyring(path, keyring.added(NOON), replaces=keyring)

    assert (0o600, 0o600) == (made, mode_of(path))


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o660, 0o666, 0o777], ids=oct)
def test_se_08_a_keyring_that_others_can_use_is_refused(path: Path, mode: int) -> None:
    """Any right of group or others is too much; the message names file, mode and fix."""
    write_keyring(path, Keyring.new(NOON))
    path.chmod(mode)

    with pytest.raises(ConfigError, match=f"mode {mode:04o}.*chmod 600 {path}"):
        load_keyring(path)


@pytest.mark.parametrize("mode", [0o600, 0o400], ids=oct)
def test_a_keyring_that_is_its_owners_alone_is_read(path: Path, mode: int) -> None:
    """What was written is read back."""
    keyring = Keyring.new(NOON).added(NOON)
    write_keyring(path, keyring)
    path.chmod(mode)

    assert keyring == load_keyring(str(path)) == load_keyring(path)


def test_a_missing_keyring_is_never_made_up(path: Path) -> None:
    """Reading a keyring that is not there is an error that says how to get one, and leaves nothing behind."""
    with pytest.raises(ConfigError, match=f"{path}: it is missing; `keyfob init`"):
        load_keyring(path)

    assert [] == list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"", "holds no entry"), (b"[a", "not TOML"), (b"SQLite format 3\0\xff\xfe", "not a text file")],
    ids=["empty", "malformed", "a database"],
)
def test_a_malformed_keyring_is_refused_by_name(path: Path, content: bytes, complaint: str) -> None:
    """What is no keyring is refused, and the message says which file it was."""
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError, match=f"{path}: .*{complaint}"):
        load_keyring(path)


def test_what_cannot_be_read_is_refused_by_name(path: Path) -> None:
    """A folder, or a path through a file, is a configuration error like any other."""
    path.mkdir()
    (path / "file").touch()

    for wrong in (path, path / "file" / "keyfob.keyring"):
        with pytest.raises(ConfigError, match=f"{wrong}: it cannot be read"):
            load_keyring(wrong)


def test_making_a_keyring_never_overwrites_one(path: Path) -> None:
    """A second `init` in the same folder leaves the first one's keys as they are."""
    first = Keyring.new(NOON)
    write_keyring(path, first)

    with pytest.raises(ConfigError, match="there already"):
        write_keyring(path, Keyring.new(NOON))

    assert first == load_keyring(path)
    assert [path] == list(path.parent.iterdir())


def test_making_a_keyring_through_a_link_never_overwrites_one(path: Path) -> None:
    """A link to a keyring counts as the keyring."""
    write_keyring(path, Keyring.new(NOON))
    link = path.with_name("link.keyring")
    link.symlink_to(path)

    with pytest.raises(ConfigError, match="there already"):
        write_keyring(link, Keyring.new(NOON))


def test_a_replaced_keyring_keeps_what_somebody_else_added(path: Path) -> None:
    """Two additions at once: the second one is told to try again instead of losing the first one's entry."""
    before = Keyring.new(NOON)
    write_keyring(path, before)
    one, other = before.added(NOON), before.added(NOON)
    write_keyring(path, one, replaces=before)

    with pytest.raises(ConfigError, match="changed by somebody else"):
        write_keyring(path, other, replaces=before)

    assert one == load_keyring(path)


def test_a_link_to_a_keyring_stays_a_link(path: Path) -> None:
    """Where the keyring is kept elsewhere and linked, it is replaced there."""
    before = Keyring.new(NOON)
    write_keyring(path, before)
    link = path.with_name("link.keyring")
    link.symlink_to(path)
    write_keyring(link, before.added(NOON), replaces=before)

    assert link.is_symlink()
    assert ["a", "b"] == list(load_keyring(path).entries)


def test_a_keyring_that_cannot_be_written_is_refused_by_name(path: Path) -> None:
    """A folder that is not there is an error that names the file."""
    with pytest.raises(ConfigError, match=r"nowhere/keyfob\.keyring: it cannot be written: No such file"):
        write_keyring(path.parent / "nowhere" / "keyfob.keyring", Keyring.new(NOON))


def test_a_write_that_fails_leaves_the_old_keyring_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs the new entry, never the old ones."""
    before = Keyring.new(NOON)
    write_keyring(path, before)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        write_keyring(path, before.added(NOON), replaces=before)

    assert before == load_keyring(path)
    assert [path] == list(path.parent.iterdir())


def test_a_keyring_is_on_the_disk_before_it_has_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is synced before the name, and the folder after it: a crash leaves the new keyring or the old one."""
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_keyring(path, Keyring.new(NOON))

    assert [(False, False), (True, True)] == synced
