from __future__ import annotations

import mmap
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyfob.store.sqlite.change_signal import Doorbell

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "keys.db"
    path.write_bytes(b"a database")
    return path


@pytest.fixture
def file(database: Path) -> Path:
    return database.with_name("keys.db-bell")


def test_a_rung_revision_is_seen_by_everyone(database: Path) -> None:
    """Who mapped the bell before reads the new number without asking the system for anything."""
    ringing, hearing = Doorbell(database), Doorbell(database)
    face = hearing.face

    ringing.ring(41)

    assert (41, 41) == (face[0], ringing.face[0])


def test_a_rung_revision_is_seen_in_other_processes(database: Path) -> None:
    """The number is in shared memory, not in one process's."""
    bell = Doorbell(database)
    program = """import sys, pathlib
from keyfob.store.sqlite.change_signal import Doorbell
Doorbell(pathlib.Path(sys.argv[1])).ring(42)"""

    subprocess.run([sys.executable, "-c", program, str(database)], check=True, timeout=30)

    assert 42 == bell.face[0]


def test_the_bell_is_eight_private_bytes(database: Path, file: Path) -> None:
    """The file is made with its full length, and nobody else may write into it."""
    before = os.umask(0)
    try:
        Doorbell(database)
    finally:
        os.umask(before)

    assert (8, 0o600) == (file.stat().st_size, stat.S_IMODE(file.stat().st_mode))


def test_a_new_bell_shows_no_revision(database: Path) -> None:
    """A number that a writer is about to show must not stand there already, or its ring would go unheard."""
    assert 1 << 63 <= Doorbell(database).face[0]


def test_opening_a_bell_does_not_ring_it(database: Path) -> None:
    """A worker that starts makes nobody else look."""
    Doorbell(database).ring(7)

    assert 7 == Doorbell(database).face[0]


def test_no_alarm_is_like_another(database: Path) -> None:
    """Every alarm differs from all that was shown before, and from every revision."""
    bell = Doorbell(database)
    shown = set()
    for _ in range(50):
        bell.alarm()
        shown.add(bell.face[0])

    assert 50 == len(shown)
    assert 1 << 63 <= min(shown)


def test_a_replaced_bell_is_found_by_looking_again(database: Path, file: Path) -> None:
    """Somebody removed the file: who looks again hears the new one, and old faces stay readable."""
    bell = Doorbell(database)
    bell.ring(5)
    old = bell.face
    file.unlink()
    Doorbell(database).ring(6)

    assert (5, 5) == (old[0], bell.face[0])
    bell.look_again()
    assert (5, 6) == (old[0], bell.face[0])


def test_a_writer_rings_the_bell_that_is_there(database: Path, file: Path) -> None:
    """A writer whose bell was replaced does not ring one that nobody hears."""
    writer = Doorbell(database)
    file.unlink()
    hearing = Doorbell(database)

    writer.ring(9)

    assert 9 == hearing.face[0]


def test_looking_again_at_the_same_bell_keeps_its_face(database: Path) -> None:
    """Polls do not map the file anew each time."""
    bell = Doorbell(database)
    face = bell.face

    bell.look_again()

    assert face is bell.face


def test_without_a_database_no_bell_is_made(tmp_path: Path) -> None:
    """A worker with a wrong path leaves no litter; it is silent until the database is there."""
    bell = Doorbell(tmp_path / "keys.db")

    assert (False, 0, []) == (bell.can_ring, bell.face[0], list(tmp_path.iterdir()))
    bell.ring(3)
    assert 0 == bell.face[0]


def test_a_bell_that_cannot_be_mapped_is_silent(database: Path, file: Path) -> None:
    """What stands in the bell's place, and is no file, is left alone; the lease alone bounds then."""
    file.mkdir()
    bell = Doorbell(database)

    bell.alarm()

    assert (False, 0) == (bell.can_ring, bell.face[0])


def test_a_bell_without_room_is_silent(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the bell is not mapped: writing into a file without its bytes would end the process."""

    def refuse(_descriptor: int, _offset: int, _length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)

    assert not Doorbell(database).can_ring


def test_a_bell_is_made_without_fallocate(database: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On systems that cannot allocate in advance, the file is lengthened."""
    monkeypatch.delattr(os, "posix_fallocate", raising=False)

    assert Doorbell(database).can_ring
    assert 8 == file.stat().st_size


def test_a_bell_that_may_only_be_read_is_heard(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker without the right to write still hears every change at once, and says that it cannot ring."""
    ringing = Doorbell(database)
    really_open = os.open

    def open_only_for_reading(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return really_open(path, flags, mode)

    monkeypatch.setattr(os, "open", open_only_for_reading)
    hearing = Doorbell(database)
    ringing.face[0] = 12

    assert (False, 12) == (hearing.can_ring, hearing.face[0])


def test_a_file_of_another_length_is_not_cut(database: Path, file: Path) -> None:
    """The bell is never truncated: whoever maps more of it would be killed by the next look."""
    file.write_bytes(bytes(mmap.PAGESIZE))

    Doorbell(database).ring(1)

    assert mmap.PAGESIZE == file.stat().st_size
