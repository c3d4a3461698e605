"""One count for all workers of a host, in a file (`keyfob.limits.cells`), without waiting for one another.

A worker *claims* in its own cell, sums the cells of all workers, and *retracts* its claim if the sum is above the
amount. Two workers that claim the last place at the same time both see the other's claim, so that they never both pass,
though both may be refused. That is why a worker that found no room asks once more, under the row's lock: of those that
come there, one is the last, and sees what is there. If the lock cannot be had soon, the refusal stands.

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
from keyfob.limits.cells import PROBES, ROW, ROWS, SHARED, SUBJECT, TABLES, CellFile
from keyfob.limits.rows import HALF, is_live, own_words, sum_up
from keyfob.limits.windows import NS, Outcome, Standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyfob.limits.windows import Meter

_ROUNDS: Final = 8  # windows that may end while one request is judged
_MOVES: Final = 8  # rows that may be given away meanwhile
_CHECK_EVERY: Final = 1.0  # seconds between two looks at what is at the path; also after a failure
_NOBODY: Final = b"\xff" * SUBJECT  # the subject of a row that is being given away
_NEVER: Final = 1 << 80  # nanoseconds
_NONE: Final = (b"", 0)
_REMEMBERED: Final = 200_000  # rows, of some 200 bytes each


_COUNTERS: WeakSet[SharedCounter] = WeakSet()


class _Row:
    """Where a subject is counted, and what this worker's two words there are."""

    __slots__ = ("index", "words")

    def __init__(self, index: int, words: list[int]) -> None:
        self.index = index
        self.words = words


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
        self._clock = clock
        self._one_thread = threading.Lock()
        self._fence = threading.Lock()
        self._file: CellFile | None = None
        self._failure: OSError | None = None
        self._check_at = 0.0  # by the monotonic clock
        self._rows: dict[tuple[bytes, int], _Row] = {}
        self._subjects: dict[int, tuple[bytes, int]] = {}  # of the rows that are remembered, by their index
        _COUNTERS.add(self)

    def take(self, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Count *cost* for each of *meters* if all have room. Raises LimitsUnavailable."""
        with self._one_thread:
            try:
                return self._take(self._opened(), meters, cost)
            except OSError as error:
                raise LimitsUnavailable(f"{self._path} cannot be used: {error.strerror or error}") from error

    def look(self, meters: tuple[Meter, ...]) -> tuple[Standing, ...]:
        """Read without counting. Raises LimitsUnavailable."""
        with self._one_thread:
            try:
                file, now = self._opened(), self._clock()
                return tuple(_look(file, meter, now) for meter in meters)
            except OSError as error:
                raise LimitsUnavailable(f"{self._path} cannot be used: {error.strerror or error}") from error

    def close(self) -> None:
        """Give the cells of this worker to the next. Counting again opens the file again."""
        with self._one_thread:
            self.forget()

    def _opened(self) -> CellFile:
        """Return the file that is at the path now. Raises OSError."""
        now = time.monotonic()
        if now < self._check_at:
            if self._file is None:
                raise self._failure or OSError(0, "it is closed")
            return self._file
        if self._file is None or not self._file.is_at(self._path):
            self.forget()
            self._check_at = now + _CHECK_EVERY
            try:
                self._file = CellFile(self._path, self._like)
            except OSError as error:
                self._failure = error
                raise
        self._check_at = now + _CHECK_EVERY
        return self._file

    def forget(self) -> None:
        """Let go of the file and of what is known of it."""
        self._rows.clear()
        self._subjects.clear()
        self._check_at = 0.0
        if self._file is not None:
            self._file.close()
            self._file = None

    # -- deciding

    def _take(self, file: CellFile, meters: tuple[Meter, ...], cost: int) -> Outcome:
        now = self._clock()
        for _ in range(_ROUNDS):
            answer = self._attempt(file, meters, cost, now)
            if type(answer) is Outcome:  # most often, so that this is asked first
                return answer
            if isinstance(answer, _Full) and file.column != SHARED:
                with file.locked(answer.row):
                    answer = self._attempt(file, meters, cost, max(now, self._clock()))
            if isinstance(answer, _Full):
                return answer.outcome
            if isinstance(answer, Outcome):
                return answer
            now = answer
        return Outcome(has_room=False, standings=tuple(Standing(meter, meter.amount, 0, now) for meter in meters))

    def _attempt(self, file: CellFile, meters: tuple[Meter, ...], cost: int, now: int) -> Outcome | _Full | int:
        """Claim for all of *meters* or for none, at *now*; a time is returned where that must be done again, then."""
        claims: list[tuple[_Row, int]] = []
        standings: list[Standing] = []
        ends = _NEVER
        for meter in meters:
            length = meter.seconds * NS
            window = now // length
            ends = min(ends, (window + 1) * length)
            try:
                row, data = self._claim(file, meter, window, cost)
            except OSError:
                self._retract(file, claims, cost)
                raise
            claims.append((row, window))
            standing, is_behind = sum_up(meter, data, now)
            standings.append(standing)
            if is_behind:
                self._retract(file, claims, cost)
                return max(self._clock(), (window + 1) * length)
            if not standing.fits():
                self._retract(file, claims, cost)
                seen = tuple(each._replace(current=each.current - cost) for each in standings)
                rest = tuple(_look(file, each, now) for each in meters[len(seen) :])
                return _Full(Outcome(has_room=False, standings=seen + rest), row.index)
        later = self._clock()
        if later >= ends:  # a clock that was set back meanwhile changes nothing
            self._retract(file, claims, cost)
            return later
        return Outcome(True, tuple(standings))  # noqa: FBT003 - by name it costs more, and every request pays

    def _claim(self, file: CellFile, meter: Meter, window: int, cost: int) -> tuple[_Row, bytes]:
        """Count *cost* in this worker's cell; return where, and the whole row as it is after that."""
        subject, _, _, seconds = meter
        for _ in range(_MOVES):
            row = self._rows.get((subject, seconds)) or self._remember(file, meter, window)
            if file.column == SHARED:
                with file.locked(row.index) as is_held:
                    if not is_held:
                        raise OSError(0, "its locks are held by a process that stands still")
                    row.words = own_words(file.read(row.index), SHARED)
                    data = self._add(file, row, window, cost)
            else:
                data = self._add(file, row, window, cost)
            if data.startswith(subject):
                return row, data
            self._retract(file, [(row, window)], cost)
            self._rows.pop((subject, seconds), None)
        raise OSError(0, "it has too few rows")

    def _add(self, file: CellFile, row: _Row, window: int, cost: int) -> bytes:
        place, number = window & 1, window & HALF
        word = row.words[place]
        row.words[place] = word = word + cost if word >> 32 == number else number << 32 | cost
        return file.claim(row.index, place, word, self._fence)  # with whatever others had claimed before

    @staticmethod
    def _retract(file: CellFile, claims: list[tuple[_Row, int]], cost: int) -> None:
        """Take the claims back. Where that cannot be done, less passes in this window than could."""
        for row, window in claims:
            if file.column == SHARED:
                with file.locked(row.index) as is_held:
                    if is_held:
                        row.words = own_words(file.read(row.index), SHARED)
                        _subtract(file, row, window, cost)
            else:
                _subtract(file, row, window, cost)

    # -- rows

    def _remember(self, file: CellFile, meter: Meter, window: int) -> _Row:
        index, data = _find(file, meter) or self._give_row(file, meter, window)
        if len(self._rows) >= _REMEMBERED:
            self._rows.clear()  # each is found again by one read
            self._subjects.clear()
        # A cell is known by one subject alone: what another wrote there from memory would undo what this one counts.
        self._rows.pop(self._subjects.get(index, _NONE), None)
        key = self._subjects[index] = meter.subject, meter.seconds
        row = self._rows[key] = _Row(index, own_words(data, file.column))
        return row

    def _give_row(self, file: CellFile, meter: Meter, window: int) -> tuple[int, bytes]:
        """Give a row to a subject that has none: one that was never used, or whose windows are over."""
        with file.naming(TABLES[meter.seconds]) as is_held:
            if not is_held:
                raise OSError(0, "its locks are held by a process that stands still")
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
                with self._fence:
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
    return Standing(meter, 0, 0, now) if found is None else sum_up(meter, found[1], now)[0]


def _subtract(file: CellFile, row: _Row, window: int, cost: int) -> None:
    place = window & 1
    word = row.words[place]
    if word >> 32 == window & HALF:
        row.words[place] = word - min(cost, word & HALF)
        file.write_word(row.index, place, row.words[place])


def _forget_all() -> None:
    for counter in list(_COUNTERS):
        counter.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)  # the column is the parent's
