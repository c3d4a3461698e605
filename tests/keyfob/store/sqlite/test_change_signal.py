from __future__ import annotations

import mmap
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyfob.store.sqlite.change_signal import ChangeSignal, SignalFile

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.store.contract.counter import Counter


def number(counter: Counter) -> int:
    """What the signal shows."""
    shown = counter.read()
    assert isinstance(shown, bytes)
    return int.from_bytes(shown, sys.byteorder)


def _only_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make files for others")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "keys.db"
    path.write_bytes(b"a database")
    path.chmod(0o600)
    return path


@pytest.fixture
def file(database: Path) -> Path:
    return database.with_name("keys.db-signal")


def test_a_published_revision_is_seen_by_everyone(database: Path) -> None:
    """A number that one process stores is read by all that have the file open."""
    publishing, hearing = ChangeSignal(database), ChangeSignal(database)
    counter = hearing.counter

    publishing.publish(41)

    assert (41, 41) == (number(counter), number(publishing.counter))


def test_a_published_revision_is_seen_in_other_processes(database: Path) -> None:
    """The number is in the file, not in one process."""
    signal = ChangeSignal(database)
    program = """import sys, pathlib
from keyfob.store.sqlite.change_signal import ChangeSignal
ChangeSignal(pathlib.Path(sys.argv[1])).publish(42)"""

    subprocess.run([sys.executable, "-c", program, str(database)], check=True, timeout=30)

    assert 42 == number(signal.counter)


def test_the_signal_is_eight_private_bytes(database: Path, file: Path) -> None:
    """The file is made with its full length, and nobody else may write into it."""
    before = os.umask(0)
    try:
        ChangeSignal(database)
    finally:
        os.umask(before)

    assert (8, 0o600) == (file.stat().st_size, stat.S_IMODE(file.stat().st_mode))


def test_a_new_signal_shows_no_revision(database: Path) -> None:
    """A number that a writer is about to show must not stand there already, or nobody would notice it."""
    assert 1 << 63 <= number(ChangeSignal(database).counter)


def test_opening_a_signal_publishes_nothing(database: Path) -> None:
    """A worker that starts makes nobody else look."""
    ChangeSignal(database).publish(7)

    assert 7 == number(ChangeSignal(database).counter)


def test_no_unknown_number_is_like_another(database: Path) -> None:
    """Every unknown number differs from all that was shown before, and from every revision."""
    signal = ChangeSignal(database)
    shown = set()
    for _ in range(50):
        signal.publish_unknown()
        shown.add(number(signal.counter))

    assert 50 == len(shown)
    assert 1 << 63 <= min(shown)


def test_a_replaced_signal_is_found_by_looking_again(database: Path, file: Path) -> None:
    """Somebody removed the file: who looks again hears the new one, and the old file stays readable."""
    signal = ChangeSignal(database)
    signal.publish(5)
    old = signal.counter
    file.unlink()
    ChangeSignal(database).publish(6)

    assert (5, 5) == (number(old), number(signal.counter))
    signal.reopen()
    assert (5, 6) == (number(old), number(signal.counter))


def test_a_writer_publishes_to_the_signal_that_is_there(database: Path, file: Path) -> None:
    """A writer whose signal was replaced does not publish to one that nobody reads."""
    writer = ChangeSignal(database)
    file.unlink()
    hearing = ChangeSignal(database)

    writer.publish(9)

    assert 9 == number(hearing.counter)


def test_looking_again_at_the_same_signal_keeps_it_open(database: Path) -> None:
    """Polls do not open the file anew each time."""
    signal = ChangeSignal(database)
    counter = signal.counter

    signal.reopen()

    assert counter is signal.counter


def test_without_a_database_no_signal_is_made(tmp_path: Path) -> None:
    """A worker with a wrong path leaves no litter; it is silent until the database is there."""
    signal = ChangeSignal(tmp_path / "keys.db")

    assert (False, 0, []) == (signal.is_writable, number(signal.counter), list(tmp_path.iterdir()))
    signal.publish(3)
    assert 0 == number(signal.counter)


def test_a_signal_that_cannot_be_opened_is_silent(database: Path, file: Path) -> None:
    """What stands in the signal's place, and is no file, is left alone; the lease alone bounds then."""
    file.mkdir()
    signal = ChangeSignal(database)

    signal.publish_unknown()

    assert (False, 0) == (signal.is_writable, number(signal.counter))


def test_a_signal_without_room_is_silent(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk a signal that cannot hold its number is not relied on."""

    def refuse(_descriptor: int, _content: bytes, _offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)

    assert not ChangeSignal(database).is_writable


def test_a_writer_that_cannot_write_any_more_says_so(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change whose number could not be stored is not promised to be immediate."""
    signal = ChangeSignal(database)

    def refuse(_descriptor: int, _content: bytes, _offset: int) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pwrite", refuse)
    signal.publish(4)

    assert not signal.is_writable


@pytest.mark.parametrize("length", [0, 1, 7])
def test_ff_31_a_truncated_signal_is_noticed_and_made_anew(
    database: Path, file: Path, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Truncating the file kills nobody: every reader sees another value, before it is made anew and after."""
    writer, reader = ChangeSignal(database), ChangeSignal(database)
    writer.publish(5)
    counter = reader.counter
    seen = counter.read()
    os.truncate(file, length)

    assert seen != counter.read()
    reader.reopen()
    remade = reader.counter.read()
    assert seen != remade
    assert 8 == file.stat().st_size
    writer.publish(6)
    assert 6 == number(reader.counter)
    assert 1 == caplog.text.count("was truncated")


def test_ff_31_a_process_that_closes_all_files_opens_the_signal_again(database: Path, tmp_path: Path) -> None:
    """A daemon that closes whatever is open reads neither nothing for ever nor somebody else's file."""
    signal = ChangeSignal(database)
    counter = signal.counter
    seen = counter.read()
    assert isinstance(counter, SignalFile)
    os.close(counter._descriptor)
    with (tmp_path / "another").open("wb", buffering=0) as another:
        assert another.fileno() == counter._descriptor
        with pytest.raises(OSError, match="Bad file descriptor"):
            counter.read()
        signal.reopen()
        assert seen == signal.counter.read()
        del counter
        another.write(b"still open")


def test_ff_02_a_signal_made_by_root_belongs_to_the_databases_owner(database: Path, file: Path) -> None:
    """Whoever makes the file first, it gets the database's owner, group and mode, so that its workers can read it."""
    _only_root()
    os.chown(database, 4711, 4712)
    database.chmod(0o660)

    assert ChangeSignal(database).is_writable

    status = file.stat()
    assert (4711, 4712, 0o660) == (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


def test_ff_02_root_gives_back_a_signal_that_it_once_made(database: Path, file: Path) -> None:
    """A file of the wrong owner, as an earlier version left it, is put right by the next process of root."""
    _only_root()
    ChangeSignal(database).publish(3)
    os.chown(database, 4711, 4711)

    assert 3 == number(ChangeSignal(database).counter)
    assert 4711 == file.stat().st_uid


def test_a_second_name_of_another_file_is_not_given_away(database: Path, file: Path, tmp_path: Path) -> None:
    """A link that somebody put in the signal's place does not make root hand over the file behind it."""
    _only_root()
    os.chown(database, 4711, 4711)
    precious = tmp_path / "precious"
    precious.write_bytes(b"12345678")
    os.link(precious, file)

    ChangeSignal(database)

    assert 0 == precious.stat().st_uid


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_ff_02_a_signal_that_cannot_be_opened_is_logged_once(
    database: Path, file: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that hears nothing says so, once and not with every poll, and again when it has changed."""
    match kind:
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case _:
            file.symlink_to("elsewhere")

    signal = ChangeSignal(database)
    signal.reopen()

    assert ("", False) == (signal.id, signal.is_writable)
    assert 1 == caplog.text.count("cannot be opened")


def test_a_signal_that_may_only_be_read_is_heard(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker without the right to write still sees every change immediately, and says that it cannot publish."""
    publishing = ChangeSignal(database)
    really_open = os.open

    def open_only_for_reading(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return really_open(path, flags, mode)

    monkeypatch.setattr(os, "open", open_only_for_reading)
    hearing = ChangeSignal(database)
    publishing.publish(12)

    assert (False, 12) == (hearing.is_writable, number(hearing.counter))


def test_a_file_of_another_length_is_not_cut(database: Path, file: Path) -> None:
    """The signal is never truncated: it may be more than is known today."""
    file.write_bytes(bytes(mmap.PAGESIZE))

    ChangeSignal(database).publish(1)

    assert mmap.PAGESIZE == file.stat().st_size
