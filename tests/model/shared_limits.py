"""Workers that count in one file, run step by step in a random order: a model of the host around `SharedCounter`.

What runs is the product's own code; only the file and the clock are the model's. A request is counted as the gate has
it counted: as a repetition of the one before where that is possible, else anew. A worker goes on to its next look at
either only when the schedule says so. What it writes stays in its store buffer, as on x86-64, until a fence, a lock or
chance lets the others see it.
"""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from keyfob.errors import LimitsUnavailable
from keyfob.limits.rows import ROW, SUBJECT, WORD
from keyfob.limits.shared import SharedCounter
from keyfob.limits.windows import ANEW, NS, Meter, Standing, subject_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from keyfob.limits.own_cell import OwnCell
    from keyfob.limits.windows import Repeating

WINDOW = 60 * NS
AMOUNT = 3
REQUESTS = 5  # of each worker
_METER = Meter(b"", "x-min", AMOUNT, 60)


@dataclass
class Host:
    """The memory, the locks and the clock that the workers share."""

    chance: random.Random
    now: int = 1_000_000 * WINDOW
    rows: dict[int, bytearray] = field(default_factory=dict)
    locks: set[tuple[str, int]] = field(default_factory=set)

    def write(self, row: int, at: int, data: bytes) -> None:
        """Let everybody see *data*."""
        self.rows.setdefault(row, bytearray(ROW))[at : at + len(data)] = data


class Decision(NamedTuple):
    """What was decided for one request."""

    name: str  # of the subject
    has_room: bool
    now: int  # when it was judged
    seen: int  # the clock as the worker saw it last
    room: int  # what it was told to be left
    previous: int | None = None  # what it was counted to be of the window before, where that was told
    is_repeated: bool = False


class Worker:
    """One process, as a thread that runs only when it is let."""

    def __init__(self, number: int, host: Host, path: Path, alter: Callable[[SharedCounter], None]) -> None:
        self.column = number
        self.host = host
        self.buffer: list[tuple[int, int, bytes]] = []
        self.decisions: list[Decision] = []
        self.seen = 0
        self.looks_once = False  # at the clock, for each decision: what a rule that is taken out comes to
        self._looks: list[int] = []
        self._repeated: dict[str, Repeating] = {}
        self._turn, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self.counter = SharedCounter(path, clock=self._clock)
        self._be_in(self.counter)
        alter(self.counter)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _be_in(self, counter: Any) -> None:
        """Let *counter* use this worker as its file and its fence."""
        counter._file, counter.check_at, counter.fence = self, 1 << 80, self

    # -- the schedule's side

    def go_on(self) -> bool:
        """Run to the next step, if there is one."""
        self._turn.release()
        self._done.acquire()
        return self.thread.is_alive() and not self._ended

    _ended = False

    def _step(self) -> None:
        self._done.release()
        self._turn.acquire()

    def _run(self) -> None:
        self._turn.acquire()
        for _ in range(REQUESTS):
            name = self.host.chance.choice("stu"[: self.subjects])
            meter = Meter(subject_of("key", name, "x-min"), "x-min", AMOUNT, 60)
            try:
                self.decisions.append(self._decide(name, meter))
            except LimitsUnavailable:
                continue
        self.drain()
        self._ended = True
        self._done.release()

    subjects = 1

    def _decide(self, name: str, meter: Meter) -> Decision:
        self._looks.clear()
        told = self._repeated.get(name, ANEW).take()
        if told is not None:
            return Decision(name, told is not None, self._looks[0], self.seen, told[0], is_repeated=True)
        self._looks.clear()
        outcome = self.counter.take((meter,), 1)
        self._repeated[name] = self.counter.repeating((meter,), 1) if outcome.has_room else ANEW
        standing = outcome.standings[0]
        return Decision(name, outcome.has_room, standing.now, self.seen, standing.remaining, standing.previous)

    # -- the clock, the file and the fence, as the product sees them

    def _clock(self) -> int:
        if self.looks_once and self._looks:
            return self.seen
        self._step()
        self.seen = self.host.now
        self._looks.append(self.seen)
        return self.seen

    def drain(self, count: int | None = None) -> None:
        """Let the oldest *count* writes be seen; None: all."""
        for _ in range(len(self.buffer) if count is None else min(count, len(self.buffer))):
            self.host.write(*self.buffer.pop(0))

    def read(self, row: int, rows: int = 1) -> bytes:
        """Read rows, with what this worker has written and nobody else sees yet."""
        self._step()
        seen = {number: bytearray(self.host.rows.get(number, bytes(ROW))) for number in range(row, row + rows)}
        for number, at, data in self.buffer:
            if number in seen:
                seen[number][at : at + len(data)] = data
        return b"".join(seen[number] for number in range(row, row + rows))

    def offsets(self, row: int) -> tuple[int, int]:
        """Where a row and this worker's words are, in a file without a header."""
        start = row * ROW
        return start, start + SUBJECT + self.column * 2 * WORD

    def claim(self, cell: OwnCell, fence: Any) -> bytes:
        """Write, and read after *fence*."""
        self.write_word(cell)
        fence.acquire()
        fence.release()
        return self.read(cell.row // ROW)

    def write_word(self, cell: OwnCell) -> None:
        self._step()
        row, at = divmod(cell.at, ROW)
        self.buffer.append((row, at, cell.word.to_bytes(WORD, "little")))

    def write_subject(self, row: int, subject: bytes) -> None:
        self._step()
        self.buffer.append((row, 0, subject))

    def close(self) -> None:
        """There is no file: a process that forks forgets all counters, also those of schedules that are over."""

    @contextmanager
    def locked(self, row: int) -> Iterator[bool]:
        with self._holding(("row", row), tries=1) as is_held:
            yield is_held

    @contextmanager
    def naming(self, table: int) -> Iterator[bool]:
        with self._holding(("naming", table), tries=1_000_000) as is_held:
            yield is_held

    @contextmanager
    def _holding(self, lock: tuple[str, int], tries: int) -> Iterator[bool]:
        is_held = False
        for _ in range(tries):
            self._step()
            if lock not in self.host.locks:
                self.host.locks.add(lock)
                is_held = True
                break
        self.drain()
        try:
            yield is_held
        finally:
            self.drain()
            if is_held:
                self.host.locks.discard(lock)

    def acquire(self) -> None:
        """The fence: taking a lock drains the store buffer."""
        self.drain()

    __enter__ = acquire

    def release(self, *_: object) -> None:
        """Giving it back does nothing."""

    __exit__ = release


def run(
    seed: int,
    path: Path,
    *,
    workers: int = 3,
    subjects: int = 1,
    alter: Callable[[SharedCounter], None] = lambda _: None,
    jumps: tuple[float, ...] = (0.0, 0.3),
) -> list[Worker]:
    """Run one schedule to its end. *alter* takes a rule out; *jumps* are how far the clock goes, in windows."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, and no secret
    host = Host(chance)
    Worker.subjects = subjects
    everybody = [Worker(number, host, path, alter) for number in range(workers)]
    running = list(everybody)
    while running:
        one = chance.choice(running)
        if not one.go_on():
            running.remove(one)
        other = chance.choice(everybody)
        if chance.random() < 0.2:
            other.drain(1)
        if chance.random() < 0.05:
            host.now += int(chance.choice(jumps) * WINDOW)
    return everybody


def counted_by(everybody: list[Worker]) -> int:
    """What is counted in the file, in whatever window."""
    rows = everybody[0].host.rows.values()
    return sum(int.from_bytes(row[at : at + WORD // 2], "little") for row in rows for at in range(SUBJECT, ROW, WORD))


def faults_of(everybody: list[Worker]) -> list[str]:
    """What must never be, and was."""
    faults = []
    decisions = [decision for worker in everybody for decision in worker.decisions]
    passed: dict[tuple[str, int], int] = {}
    for one in decisions:
        if one.has_room:
            window = one.now // WINDOW
            passed[one.name, window] = passed.get((one.name, window), 0) + 1
            if one.seen // WINDOW != window:
                faults.append("passed in a window that was over")
    faults += [f"{count} passed of {AMOUNT}" for count in passed.values() if count > AMOUNT]
    for one in decisions:
        before = passed.get((one.name, one.now // WINDOW - 1), 0)
        most = Standing(_METER, 1, before, one.now).remaining
        if one.has_room and (one.room > most or (one.previous is not None and one.previous < before)):
            faults.append(f"{one.room} of {most} were left, after {before} in the window before")
    return faults
