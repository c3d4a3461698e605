"""One count for all workers of a host, in a file (`keyfob.limits.cells`), without waiting for one another.

A worker *claims* in its own cell, sums the cells of all workers, and *retracts* its claim if the sum is above the
amount. Two workers that claim the last place at the same time both see the other's claim, so that they never both pass,
though both may be refused. That is why a worker that found no room asks once more, under the row's lock: of those that
come there, one is the last, and sees what is there. If the lock cannot be had soon, it asks without.

What that takes:

- *A worker that claims sees every claim made before it looks.* Its write must not be delayed beyond its reads, which is
  what x86-64 does with a write while it is in the store buffer. An instruction with a lock prefix drains that buffer
  (Intel SDM, volume 3, section 9.2; AMD APM, volume 2, section 7.4), and taking an uncontended `threading.Lock` is one
  in CPython. On other machines nothing like it is promised, so that all count under the row's lock there.
- *A word is never seen in halves.* It is 8 bytes, aligned, and the kernel copies it as one on x86-64.
- *A window is judged while it lasts.* A worker may stand still between looking at the clock and claiming. So it looks
  again when it has the sum, and begins anew if the window is over, or if a cell shows that another worker is ahead.
- *A row may be given to another subject.* Whoever claims reads the row's subject after its claim, and whoever gives a
  row away takes its subject off before reading its cells: so one of the two sees the other.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakSet

from keyfob.errors import LimitsUnavailable
from keyfob.limits.cells import HELD, PROBES, ROWS, SHARED, TABLES, CellFile
from keyfob.limits.own_cell import OwnCell
from keyfob.limits.repeated import RepeatedTake
from keyfob.limits.rows import ROW, SUBJECT, is_live, own_words, standing_of, sum_up
from keyfob.limits.windows import ANEW, NS, Outcome, Standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyfob.limits.windows import Meter, Repeating, Watch

_ROUNDS: Final = 8  # windows that may end while one request is judged
_MOVES: Final = 8  # rows that may be given away meanwhile
_CHECK_EVERY: Final = NS  # nanoseconds between two looks at what is at the path; also after a failure
_NOBODY: Final = b"\xff" * SUBJECT  # the subject of a row that is being given away
_NEVER: Final = 1 << 80  # nanoseconds
_NONE: Final = (b"", 0)
_REMEMBERED: Final = 200_000  # cells, of some 400 bytes each


_COUNTERS: WeakSet[SharedCounter] = WeakSet()


class _Full(NamedTuple):
    """The answer for a request that found no room, and the row that was full."""

    outcome: Outcome
    row: int


class SharedCounter:
    """Counts together with every process of this host that counts in the same file."""

    def __init__(self, path: Path, like: Path | None = None, *, clock: Callable[[], int] = time.time_ns) -> None:
        """*like* is the file whose owner, group and mode *path* gets; *clock* tells nanoseconds since the epoch."""
        self._path = path
        self._like = like
        self.clock = clock
        self.one_thread = threading.Lock()  # held by whoever counts here
        self.fence = threading.Lock()
        self._file: CellFile | None = None
        self._failure: OSError | None = None
        self.checked_at = self.check_at = 0  # by the clock: from when to when nobody looks at the path again
        self._cells: dict[tuple[bytes, int], OwnCell] = {}
        self._subjects: dict[int, tuple[bytes, int]] = {}  # of the cells that are remembered, by the index of the row
        _COUNTERS.add(self)

    def take(self, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Count *cost* for each of *meters* if all have room. Raises LimitsUnavailable."""
        with self.one_thread:
            try:
                now = self.clock()
                return self._take(self._opened(now), meters, cost, now)
            except OSError as error:
                raise LimitsUnavailable(f"{self._path} cannot be used: {error.strerror or error}") from error

    def repeating(self, meters: tuple[Meter, ...], cost: int, watch: Watch | None = None) -> Repeating:
        """Return what counts *cost* for each of *meters* again, if this worker has cells of its own for all."""
        with self.one_thread:
            cells = [cell for meter in meters if (cell := self._cells.get((meter.subject, meter.seconds))) is not None]
        if len(cells) < len(meters) or any(cell.file.column == SHARED for cell in cells):
            return ANEW
        return RepeatedTake(self, meters, cells, cost, watch)

    def look(self, meters: tuple[Meter, ...]) -> tuple[Standing, ...]:
        """Read without counting. Raises LimitsUnavailable."""
        with self.one_thread:
            try:
                now = self.clock()
                file = self._opened(now)
                return tuple(_look(file, meter, now) for meter in meters)
            except OSError as error:
                raise LimitsUnavailable(f"{self._path} cannot be used: {error.strerror or error}") from error

    def close(self) -> None:
        """Give the cells of this worker to the next. Counting again opens the file again."""
        with self.one_thread:
            self.forget()

    def _opened(self, now: int) -> CellFile:
        """Return the file that is at the path at *now*. Raises OSError."""
        if self.checked_at <= now < self.check_at:  # both, because a clock may be set back
            if self._file is None:
                raise self._failure or OSError(0, "it is closed")
            return self._file
        if self._file is None or not self._file.is_at(self._path):
            self.forget()
            self.checked_at, self.check_at = now, now + _CHECK_EVERY
            try:
                self._file = CellFile(self._path, self._like)
            except OSError as error:
                self._failure = error
                raise
        self.checked_at, self.check_at = now, now + _CHECK_EVERY
        return self._file

    def forget(self) -> None:
        """Let go of the file and of what is known of it."""
        self._forget_cells()
        self.checked_at = self.check_at = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    # -- deciding

    def _take(self, file: CellFile, meters: tuple[Meter, ...], cost: int, now: int) -> Outcome:
        for _ in range(_ROUNDS):
            answer = self._attempt(file, meters, cost, now)
            if isinstance(answer, _Full) and file.column != SHARED:
                with file.locked(answer.row):
                    answer = self._attempt(file, meters, cost, max(now, self.clock()))
            if isinstance(answer, _Full):
                return answer.outcome
            if isinstance(answer, Outcome):
                return answer
            now = answer
        return Outcome(has_room=False, standings=tuple(Standing(meter, meter.amount, 0, now) for meter in meters))

    def _attempt(self, file: CellFile, meters: tuple[Meter, ...], cost: int, now: int) -> Outcome | _Full | int:
        """Claim for all of *meters* or for none, at *now*; a time is returned where that must be done again, then."""
        claims: list[OwnCell] = []
        standings: list[Standing] = []
        for meter in meters:
            try:
                cell, data = self._claim(file, meter, cost, now)
            except OSError:
                _retract(claims, cost)
                raise
            claims.append(cell)
            current, previous, is_behind = sum_up(data, cell.low)
            standings.append(Standing(meter, current, previous, now))
            if is_behind:
                _retract(claims, cost)
                return max(self.clock(), cell.ends)
            if not standings[-1].fits():
                _retract(claims, cost)
                seen = tuple(each._replace(current=each.current - cost) for each in standings)
                rest = tuple(_look(file, each, now) for each in meters[len(seen) :])
                return _Full(Outcome(has_room=False, standings=seen + rest), cell.index)
        later = self.clock()
        if any(later >= cell.ends for cell in claims):  # a clock that was set back meanwhile changes nothing
            _retract(claims, cost)
            return later
        return Outcome(has_room=True, standings=tuple(standings))

    def _claim(self, file: CellFile, meter: Meter, cost: int, now: int) -> tuple[OwnCell, bytes]:
        """Count *cost* in this worker's cell; return it, and the whole row as it is after that."""
        key = meter.subject, meter.seconds
        for _ in range(_MOVES):
            cell = self._cells.get(key) or self._remember(file, meter, now)
            cell.turn_to(now)
            if file.column == SHARED:
                with file.locked(cell.index) as is_held:
                    if not is_held:
                        raise OSError(0, HELD)
                    cell.read_again()
                    cell.word += cost
                    data = file.claim(cell, self.fence)
            else:
                cell.word += cost
                data = file.claim(cell, self.fence)
            if data.startswith(meter.subject):
                return cell, data
            _retract([cell], cost)
            self._forget(key)
        raise OSError(0, "it has too few rows")

    # -- rows

    def _remember(self, file: CellFile, meter: Meter, now: int) -> OwnCell:
        index, data = _find(file, meter) or self._give_row(file, meter, now // (meter.seconds * NS))
        if len(self._cells) >= _REMEMBERED:
            self._forget_cells()  # each is found again by one read
        # A cell is known by one subject alone: what another wrote there from memory would undo what this one counts.
        self._forget(self._subjects.get(index, _NONE))
        key = self._subjects[index] = meter.subject, meter.seconds
        cell = self._cells[key] = OwnCell(file, index, meter, own_words(data, file.column))
        return cell

    def _forget(self, key: tuple[bytes, int]) -> None:
        cell = self._cells.pop(key, None)
        if cell is not None:
            cell.forget()

    def _forget_cells(self) -> None:
        for cell in self._cells.values():
            cell.forget()
        self._cells.clear()
        self._subjects.clear()

    def _give_row(self, file: CellFile, meter: Meter, window: int) -> tuple[int, bytes]:
        """Give a row to a subject that has none: one that was never used, or whose windows are over."""
        with file.naming(TABLES[meter.seconds]) as is_held:
            if not is_held:
                raise OSError(0, HELD)
            found = _find(file, meter)
            if found is not None:
                return found
            first = _first_row(meter)
            data = file.read(first, PROBES)
            for index, start in enumerate(range(0, len(data), ROW), first):
                before = data[start : start + ROW]
                if is_live(before, window):
                    continue
                # First nobody's: else a claim of the new subject would look like one of the old.
                file.write_subject(index, _NOBODY)
                with self.fence:
                    pass
                after = file.read(index)
                if not is_live(after, window):
                    file.write_subject(index, meter.subject)
                    return index, after
                file.write_subject(index, before[:SUBJECT])  # its subject came back at this moment
        raise OSError(0, "all rows that it has for a key are in use")


def _first_row(meter: Meter) -> int:
    return TABLES[meter.seconds] + int.from_bytes(meter.subject[:8], "big") % (ROWS - PROBES)


def _find(file: CellFile, meter: Meter) -> tuple[int, bytes] | None:
    """Return the row of a subject, and what is in it."""
    first = _first_row(meter)
    data = file.read(first, PROBES)
    for index, start in enumerate(range(0, len(data), ROW), first):
        if data.startswith(meter.subject, start):
            return index, data[start : start + ROW]
    return None


def _look(file: CellFile, meter: Meter, now: int) -> Standing:
    found = _find(file, meter)
    return Standing(meter, 0, 0, now) if found is None else standing_of(meter, found[1], now)


def _retract(claims: list[OwnCell], cost: int) -> None:
    for cell in claims:
        cell.retract(cost)


def _forget_all() -> None:
    for counter in list(_COUNTERS):
        counter.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)  # the column is the parent's
