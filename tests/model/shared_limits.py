"""Workers that count in one file, run step by step in a random order: a model of the host around `SharedCounter`.

What runs is the product's own code; only the file and the clock are the model's. A worker goes on to its next look at
either only when the schedule says so. What it writes stays in its store buffer, as on x86-64, until a fence, a lock or
chance lets the others see it.
"""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keyfob.errors import LimitsUnavailable
from keyfob.limits.cells import ROW, SUBJECT, WORD
from keyfob.limits.shared import SharedCounter
from keyfob.limits.windows import NS, Meter, subject_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from keyfob.limits.windows import Outcome

WINDOW = 60 * NS
AMOUNT = 3
REQUESTS = 5  # of each worker


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


class Worker:
    """One process, as a thread that runs only when it is let."""

    def __init__(self, number: int, host: Host, path: Path, alter: Callable[[SharedCounter], None]) -> None:
        self.column = number
        self.host = host
        self.buffer: list[tuple[int, int, bytes]] = []
        self.outcomes: list[tuple[str, Outcome, int]] = []  # for which subject, what, and the clock as it saw it last
        self.seen = 0
        self._turn, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self.counter = SharedCounter(path, clock=self._clock)
        self._be_in(self.counter)
        alter(self.counter)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _be_in(self, counter: Any) -> None:
        """Let *counter* use this worker as its file and its fence."""
        counter._file, counter._check_at, counter._fence = self, float("inf"), self

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
                outcome = self.counter.take((meter,), 1)
            except LimitsUnavailable:
                continue
            self.outcomes.append((name, outcome, self.seen))
        self.drain()
        self._ended = True
        self._done.release()

    subjects = 1

    # -- the clock, the file and the fence, as the product sees them

    def _clock(self) -> int:
        self._step()
        self.seen = self.host.now
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

    def claim(self, row: int, place: int, word: int, fence: Any) -> bytes:
        """Write, and read after *fence*."""
        self.write_word(row, place, word)
        with fence:
            pass
        return self.read(row)

    def write_word(self, row: int, place: int, word: int) -> None:
        self._step()
        self.buffer.append((row, SUBJECT + (self.column * 2 + place) * WORD, word.to_bytes(WORD, "little")))

    def write_subject(self, row: int, subject: bytes) -> None:
        self._step()
        self.buffer.append((row, 0, subject))

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

    def __enter__(self) -> None:
        """The fence: taking a lock drains the store buffer."""
        self.drain()

    def __exit__(self, *_: object) -> None:
        """Giving it back does nothing."""


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


def faults_of(everybody: list[Worker]) -> list[str]:
    """What must never be, and was."""
    faults = []
    passed: dict[tuple[str, int], int] = {}
    for worker in everybody:
        for name, outcome, seen in worker.outcomes:
            if outcome.has_room:
                window = outcome.standings[0].now // WINDOW
                passed[name, window] = passed.get((name, window), 0) + 1
                if seen // WINDOW != window:
                    faults.append("passed in a window that was over")
    faults += [f"{count} passed of {AMOUNT}" for count in passed.values() if count > AMOUNT]
    for worker in everybody:
        for name, outcome, _ in worker.outcomes:
            standing = outcome.standings[0]
            before = passed.get((name, standing.now // WINDOW - 1), 0)
            if outcome.has_room and standing.previous < before:
                faults.append(f"{standing.previous} of {before} were remembered of the window before")
    return faults
