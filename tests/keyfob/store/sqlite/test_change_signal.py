from __future__ import annotations

import mmap
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyfob.store.sqlite.change_signal import ChangeSignal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "keys.db"
    path.write_bytes(b"a database")
    return path


@pytest.fixture
def file(database: Path) -> Path:
    return database.with_name("keys.db-signal")


def test_a_rung_revision_is_seen_by_everyone(database: Path) -> None:
    """Who mapped the signal before reads the new number without asking the system for anything."""
    publishing, hearing = ChangeSignal(database), ChangeSignal(database)
    counter = hearing.counter

    publishing.publish(41)

    assert (41, 41) == (counter[0], publishing.counter[0])


def test_a_rung_revision_is_seen_in_other_processes(database: Path) -> None:
    """The number is in shared memory, not in one process's."""
    signal = ChangeSignal(database)
    program = """import sys, pathlib
from keyfob.store.sqlite.change_signal import ChangeSignal
ChangeSignal(pathlib.Path(sys.argv[1])).publish(42)"""

    subprocess.run([sys.executable, "-c", program, str(database)], check=True, timeout=30)

    assert 42 == signal.counter[0]


def test_the_signal_is_eight_private_bytes(database: Path, file: Path) -> None:
    """The file is made with its full length, and nobody else may write into it."""
    before = os.umask(0)
    try:
        ChangeSignal(database)
    finally:
        os.umask(before)

    assert (8, 0o600) == (file.stat().st_size, stat.S_IMODE(file.stat().st_mode))


def test_a_new_signal_shows_no_revision(database: Path) -> None:
    """A number that a writer is about to show must not stand there already, or its keyring would go unheard."""
    assert 1 << 63 <= ChangeSignal(database).counter[0]


def test_opening_a_signal_does_not_keyring_it(database: Path) -> None:
    """A worker that starts makes nobody else look."""
    ChangeSignal(database).publish(7)

    assert 7 == ChangeSignal(database).counter[0]


def test_no_alarm_is_like_another(database: Path) -> None:
    """Every alarm differs from all that was shown before, and from every revision."""
    signal = ChangeSignal(database)
    shown = set()
    for _ in range(50):
        signal.publish_unknown()
        shown.add(signal.counter[0])

    assert 50 == len(shown)
    assert 1 << 63 <= min(shown)


def test_a_replaced_signal_is_found_by_looking_again(database: Path, file: Path) -> None:
    """Somebody removed the file: who looks again hears the new one, and old faces stay readable."""
    signal = ChangeSignal(database)
    signal.publish(5)
    old = signal.counter
    file.unlink()
    ChangeSignal(database).publish(6)

    assert (5, 5) == (old[0], signal.counter[0])
    signal.reopen()
    assert (5, 6) == (old[0], signal.counter[0])


def test_a_writer_keyrings_the_signal_that_is_there(database: Path, file: Path) -> None:
    """A writer whose signal was replaced does not keyring one that nobody hears."""
    writer = ChangeSignal(database)
    file.unlink()
    hearing = ChangeSignal(database)

    writer.publish(9)

    assert 9 == hearing.counter[0]


def test_looking_again_at_the_same_signal_keeps_its_face(database: Path) -> None:
    """Polls do not map the file anew each time."""
    signal = ChangeSignal(database)
    counter = signal.counter

    signal.reopen()

    assert counter is signal.counter


def test_without_a_database_no_signal_is_made(tmp_path: Path) -> None:
    """A worker with a wrong path leaves no litter; it is silent until the database is there."""
    signal = ChangeSignal(tmp_path / "keys.db")

    assert (False, 0, []) == (signal.is_writable, signal.counter[0], list(tmp_path.iterdir()))
    signal.publish(3)
    assert 0 == signal.counter[0]


def test_a_signal_that_cannot_be_mapped_is_silent(database: Path, file: Path) -> None:
    """What stands in the signal's place, and is no file, is left alone; the lease alone bounds then."""
    file.mkdir()
    signal = ChangeSignal(database)

    signal.publish_unknown()

    assert (False, 0) == (signal.is_writable, signal.counter[0])


def test_a_signal_without_room_is_silent(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the signal is not mapped: writing into a file without its bytes would end the process."""

    def refuse(_descriptor: int, _offset: int, _length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)

    assert not ChangeSignal(database).is_writable


def test_a_signal_is_made_without_fallocate(database: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On systems that cannot allocate in advance, the file is lengthened."""
    monkeypatch.delattr(os, "posix_fallocate", raising=False)

    assert ChangeSignal(database).is_writable
    assert 8 == file.stat().st_size


def test_a_signal_that_may_only_be_read_is_heard(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker without the right to write still hears every change at once, and says that it cannot keyring."""
    publishing = ChangeSignal(database)
    really_open = os.open

    def open_only_for_reading(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return really_open(path, flags, mode)

    monkeypatch.setattr(os, "open", open_only_for_reading)
    hearing = ChangeSignal(database)
    publishing.counter[0] = 12

    assert (False, 12) == (hearing.is_writable, hearing.counter[0])


def test_a_file_of_another_length_is_not_cut(database: Path, file: Path) -> None:
    """The signal is never truncated: whoever maps more of it would be killed by the next look."""
    file.write_bytes(bytes(mmap.PAGESIZE))

    ChangeSignal(database).publish(1)

    assert mmap.PAGESIZE == file.stat().st_size
