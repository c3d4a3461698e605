"""Whether a window ever has more than its limit: many decisions of real processes, of which some are killed.

Four processes count for the same keys, on one host in a file and through Valkey, faster than the keys may be used.
Every fiftieth part of the way one is killed by SIGKILL, and another goes on in its place. Each writes down every
decision before the next, so that what a killed process counted and did not write can only make a window look emptier.

A refused request is early if by the history there was still room: because another process had counted one that is
written later, or takes it back.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.effort import Effort
from bench.figures import Figures
from bench.servers import ROOT
from bench.windows_worker import ADMITTED, KEYS, REFUSED, STEP, UNANSWERED
from keyfob.limits.windows import NS, Meter, Standing
from tests.valkey_server import valkey_server

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Iterable

DECISIONS = 1_000_000
QUICK_DECISIONS = 8_000
WORKERS = 4
KILLS = 50
AMOUNT = 20  # of a second, for each key: less than the processes ask for


async def measure(decisions: int | None = None) -> Figures:
    """Count on one host, and in Valkey."""
    is_quick = Effort.wanted(rounds=1, seconds=0).is_quick
    wanted = decisions or (QUICK_DECISIONS if is_quick else DECISIONS)
    with tempfile.TemporaryDirectory() as folder, valkey_server() as url:
        here = await _judged(str(Path(folder) / "limits"), Path(folder) / "here", wanted)
        there = await _judged(url, Path(folder) / "there", wanted)
    found = (here, there)
    rows: dict[str, list[float | None]] = {
        "decisions": [float(one.decisions) for one in found],
        "admitted": [float(one.admitted) for one in found],
        "refused": [float(one.refused) for one in found],
        "not answered in time": [float(one.unanswered) for one in found],
        "processes killed": [float(one.killed) for one in found],
        "windows": [float(one.windows) for one in found],
        "windows that were full": [float(one.full) for one in found],
        "windows above their limit": [float(one.above) for one in found],
        "most room that a refused request had": [float(one.early) for one in found],
        "decisions a second": [one.decisions / one.seconds for one in found],
    }
    notes = [f"{WORKERS} processes, {KEYS} keys, {AMOUNT} a second for each key. A window is a second of one key."]
    if is_quick:
        notes.append("QUICK: so few decisions say little.")
    return Figures("windows", ["one host", "Valkey"], rows, notes)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a history says."""

    decisions: int
    admitted: int
    refused: int
    unanswered: int
    windows: int  # of one key and one second, in which something was asked
    full: int
    above: int
    early: int  # the most room that there was, by the history, for a request that was refused
    killed: int = 0
    seconds: float = 0.0


async def _judged(where: str, history: Path, decisions: int) -> Judged:
    began = time.monotonic()
    run = _Run(where, history, decisions)
    await asyncio.gather(*(run.work(decisions // WORKERS) for _ in range(WORKERS)))
    seconds = time.monotonic() - began
    with history.open() as lines:
        found = read(lines)
    return replace(found, killed=run.killed, seconds=seconds)


class _Run:
    """Processes that decide, and what kills them."""

    def __init__(self, where: str, history: Path, decisions: int) -> None:
        self._where = where
        self._history = history
        self._kill_every = max(2, decisions // STEP // KILLS)  # lines of progress
        self._progress = 0
        self._chance = random.Random(14)
        self._running: list[Process] = []
        self.killed = 0

    async def work(self, decisions: int) -> None:
        """Let one process after the other make *decisions* in all."""
        while decisions > 0:
            process = await self._started(decisions)
            self._running.append(process)
            done = 0
            assert process.stdout is not None
            async for line in process.stdout:
                done = int(line)
                self._get_on()
            self._running.remove(process)
            decisions -= done if await process.wait() else decisions

    async def _started(self, decisions: int) -> Process:
        arguments = [self._where, str(self._history), str(decisions), str(AMOUNT)]
        command = [sys.executable, "-m", "bench.windows_worker", *arguments]
        return await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=ROOT)

    def _get_on(self) -> None:
        self._progress += 1
        if self._progress % self._kill_every == 0:
            victim = self._chance.choice(self._running)
            if victim.returncode is None:
                victim.kill()
                self.killed += 1


def read(history: Iterable[str], amount: int = AMOUNT) -> Judged:
    """Count every window of *history* by itself."""
    said: Counter[str] = Counter()
    passed: Counter[tuple[str, int]] = Counter()
    windows = set()
    early = 0
    for line in history:
        key, verdict, moment = line.split()
        said[verdict] += 1
        if verdict == UNANSWERED:
            continue
        window = (key, int(moment) // NS)
        windows.add(window)
        if verdict == ADMITTED:
            passed[window] += 1
        else:
            meter = Meter(b"", "", amount, 1)
            standing = Standing(meter, passed[window], passed[key, window[1] - 1], int(moment))
            early = max(early, standing.remaining)
    full = sum(count == amount for count in passed.values())
    above = sum(count > amount for count in passed.values())
    return Judged(said.total(), said[ADMITTED], said[REFUSED], said[UNANSWERED], len(windows), full, above, early)
