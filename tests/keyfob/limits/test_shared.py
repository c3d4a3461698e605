from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import LimitsUnavailable
from keyfob.limits import cells, shared
from keyfob.limits.cells import SHARED, CellFile
from keyfob.limits.shared import SharedCounter
from keyfob.limits.windows import NS
from tests.keyfob.limits.counter_contract import Clock, CounterContract, meter

if TYPE_CHECKING:
    from pathlib import Path

ON_THE_OTHER_SIDE = """
import sys, time
from pathlib import Path
from keyfob.limits.shared import SharedCounter
from tests.keyfob.limits.counter_contract import Clock, meter
counter = SharedCounter(Path(sys.argv[1]), clock=Clock())
print(sum(counter.take((meter("a-min", 1000),), 1).has_room for _ in range(int(sys.argv[2]))), flush=True)
sys.stdin.read()
"""


class TestSharedCounter(CounterContract):
    @pytest.fixture
    def counter(self, path: Path, clock: Clock) -> SharedCounter:
        return SharedCounter(path, clock=clock)


class TestSharedColumn(CounterContract):
    """A worker that has no column of its own, or may not count without a lock."""

    @pytest.fixture
    def counter(self, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> SharedCounter:
        monkeypatch.setattr(shared, "CellFile", lambda path, like: CellFile(path, like, shares=True))
        return SharedCounter(path, clock=clock)


def test_workers_count_together(path: Path, clock: Clock) -> None:
    """Three workers, and more than there are columns, let pass no more than one would."""
    for count in (3, SHARED + 3):
        workers = [SharedCounter(path, clock=clock) for _ in range(count)]
        passed = [worker.take((meter(f"of{count}-min", 50),), 1).has_room for _ in range(20) for worker in workers]
        assert 50 == sum(passed)
        assert [True] * 50 == passed[:50]
        columns = [worker._opened(clock()).column for worker in workers]
        assert min(count, SHARED) == len({column for column in columns if column != SHARED})
        for worker in workers:
            worker.close()


def test_what_a_killed_worker_counted_still_counts(path: Path, clock: Clock) -> None:
    """Nothing is repaired after SIGKILL, and the next worker takes its column over with what is in it."""
    command = [sys.executable, "-c", ON_THE_OTHER_SIDE, str(path), "400"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert "400" == other.stdout.readline().strip()
        here = SharedCounter(path, clock=clock)
        assert 599 == here.take((meter("a-min", 1000),), 1).standings[0].remaining
        other.send_signal(signal.SIGKILL)
    heir = SharedCounter(path, clock=clock)

    assert 598 == heir.take((meter("a-min", 1000),), 1).standings[0].remaining
    assert 0 == heir._opened(clock()).column


def test_a_child_takes_a_column_of_its_own(path: Path, clock: Clock) -> None:
    """A process that forks its workers after it has counted does not share a cell with them."""
    counter = SharedCounter(path, clock=clock)
    counter.take((meter("a-min", 10),), 1)
    child = os.fork()
    if not child:
        fits = counter.take((meter("a-min", 10),), 1).standings[0].current == 2
        os._exit(0 if fits and counter._opened(clock()).column == 1 else 1)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert 3 == counter.take((meter("a-min", 10),), 1).standings[0].current


def test_a_worker_that_stood_still_joins_the_others(path: Path, clock: Clock) -> None:
    """A request judged in a window that another worker has left already is judged in the next."""
    ahead, behind = SharedCounter(path, clock=Clock()), SharedCounter(path, clock=clock)
    assert isinstance(ahead.clock, Clock)
    ahead.clock.pass_time(60)
    assert ahead.take((meter("a-min", 10),), 10).has_room

    refused = behind.take((meter("a-min", 10),), 1)

    assert not refused.has_room
    assert clock.now + 60 * NS == refused.standings[0].now


def test_a_window_that_ends_meanwhile_is_not_charged(path: Path) -> None:
    """A worker that stands still between the clock and its claim begins anew in the window that is now."""
    start = Clock().now
    times = iter([start, start + 60 * NS, start + 60 * NS])
    counter = SharedCounter(path, clock=lambda: next(times))

    outcome = counter.take((meter("a-min", 10),), 10)

    assert (10, 0) == outcome.standings[0][1:3]
    assert start + 60 * NS == outcome.standings[0].now


def test_a_clock_that_was_set_back_is_survived(path: Path, clock: Clock) -> None:
    """After a small step back the later window goes on; after a great one counting begins anew."""
    counter = SharedCounter(path, clock=clock)
    clock.pass_time(3600)
    counter.take((meter("a-min", 10),), 10)
    clock.pass_time(-30)
    assert not counter.take((meter("a-min", 10),), 1).has_room

    clock.pass_time(-3000)

    assert counter.take((meter("a-min", 10),), 10).has_room
    assert not counter.take((meter("a-min", 10),), 1).has_room


class Holder:
    """Another process that holds a lock of the file, as the clock that waiting is measured by knows it."""

    def __init__(self, path: Path, byte: int, *, held: float) -> None:
        """Hold the lock on *byte* for *held* seconds."""
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        lock = struct.pack(cells._FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, lock)
        self._until = held
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self._until and self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@pytest.mark.parametrize("byte", [cells._LOCKS, cells._NAMING + 1], ids=["of the file", "of a table"])
def test_a_lock_is_waited_for(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, byte: int) -> None:
    """A worker that the kernel puts aside while it holds a lock makes nobody count alone."""
    monkeypatch.setattr(cells, "time", Holder(path, byte, held=0.2))

    assert SharedCounter(path, clock=clock).take((meter("a-min", 10),), 1).has_room


@pytest.mark.parametrize("byte", [cells._LOCKS, cells._NAMING + 1], ids=["of the file", "of a table"])
def test_a_lock_that_is_never_given_back_is_waited_for_once_a_second(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, byte: int
) -> None:
    """A process that is stopped for good keeps each other from answering for a quarter of a second in every second."""
    holder = Holder(path, byte, held=1.6)
    monkeypatch.setattr(cells, "time", holder)
    counter = SharedCounter(path, clock=clock)
    for _ in range(20):
        with pytest.raises(LimitsUnavailable, match="held by a process that stands still"):
            counter.take((meter("a-min", 10),), 1)
    assert 0.2 < holder.now < 0.3
    holder.now += 1
    clock.pass_time(1)
    with pytest.raises(LimitsUnavailable):
        counter.take((meter("a-min", 10),), 1)
    assert 1.4 < holder.now < 1.6
    holder.sleep(1)
    clock.pass_time(1)

    assert counter.take((meter("a-min", 10),), 1).has_room


def test_rows_are_given_away_when_their_windows_are_over(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subject whose windows are over makes room for another; one that still counts does not."""
    monkeypatch.setattr(shared, "ROWS", cells.PROBES + 1)  # so that all subjects begin at one row
    one, two = SharedCounter(path, clock=clock), SharedCounter(path, clock=clock)
    for number in range(cells.PROBES):
        assert one.take((meter("a-min", 10, of=f"old{number}"),), 10).has_room
    with pytest.raises(LimitsUnavailable, match="all rows that it has for a key are in use"):
        two.take((meter("a-min", 10, of="new"),), 1)
    clock.pass_time(180)
    for number in range(cells.PROBES):
        assert two.take((meter("a-min", 10, of=f"new{number}"),), 7).has_room

    for number in range(cells.PROBES):
        assert not one.take((meter("a-min", 10, of=f"new{number}"),), 4).has_room
    with pytest.raises(LimitsUnavailable):  # what it remembered was given away
        one.take((meter("a-min", 10, of="old3"),), 1)


def test_a_removed_file_is_made_anew(path: Path, clock: Clock) -> None:
    """Whoever removes the file sets the counts to zero, and stops nobody."""
    counter = SharedCounter(path, clock=clock)
    counter.take((meter("a-min", 10),), 10)
    path.unlink()
    counter.check_at = 0

    assert counter.take((meter("a-min", 10),), 10).has_room
    assert path.exists()


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_truncated_file_kills_nobody(path: Path, clock: Clock, size: int) -> None:
    """What was cut off is written again, and requests are answered meanwhile."""
    counter = SharedCounter(path, clock=clock)
    counter.take((meter("a-min", 10),), 4)
    os.truncate(path, size)
    counter.take((meter("a-min", 10),), 1)
    counter.check_at = 0

    assert counter.take((meter("a-min", 10),), 1).has_room
    counter.close()
    assert counter.take((meter("a-min", 10),), 1).has_room


def test_a_file_of_another_version_is_taken_over_once_nobody_counts_in_it(path: Path, clock: Clock) -> None:
    """Two formats never count in one file at the same time."""
    other = SharedCounter(path, clock=clock)
    other.take((meter("a-min", 10),), 10)
    with path.open("r+b") as file:
        file.write(b"keyfob limits 0")
    counter = SharedCounter(path, clock=clock)
    with pytest.raises(LimitsUnavailable, match="another version of Keyfob is counting in it"):
        counter.take((meter("a-min", 10),), 1)
    other.close()
    counter.close()

    assert counter.take((meter("a-min", 10),), 10).has_room


def test_a_strange_file_is_left_alone(path: Path, clock: Clock) -> None:
    """What somebody else keeps there is not overwritten, and asked for again only after a while."""
    path.write_bytes(b"precious")
    counter = SharedCounter(path, clock=clock)
    for _ in range(2):
        with pytest.raises(LimitsUnavailable, match="something else is in it"):
            counter.take((meter("a-min", 10),), 1)

    assert b"precious" == path.read_bytes()


def test_a_folder_is_no_file(tmp_path: Path, clock: Clock) -> None:
    """What cannot be opened is unavailable, and says why."""
    with pytest.raises(LimitsUnavailable, match="cannot be used"):
        SharedCounter(tmp_path, clock=clock).look((meter("a-min", 10),))


def test_the_file_belongs_to_whom_the_database_belongs(path: Path, tmp_path: Path, clock: Clock) -> None:
    """Owner, group and mode are those of the database, whatever the umask."""
    database = tmp_path / "keyfob.db"
    database.touch()
    database.chmod(0o660)
    SharedCounter(path, database, clock=clock).take((meter("a-min", 10),), 1)

    assert 0o660 == path.stat().st_mode & 0o777
