"""One of several processes that count together: ``python -m bench.windows_worker WHERE HISTORY DECISIONS AMOUNT``.

Each decision is one line of the history, written before the next is made: ``KEY VERDICT NANOSECONDS`` for one that was
made at this time, by the clock that counts. Every so many decisions a line of standard output says that it gets on.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.errors import LimitsUnavailable
from keyfob.limits.shared import SharedCounter
from keyfob.limits.valkey_counter import ValkeyCounter
from keyfob.limits.windows import Meter, subject_of
from tests.keyfob.limits.as_the_gate import AsTheGate

if TYPE_CHECKING:
    from keyfob.limits.windows import Outcome

KEYS = 32
STEP = 500  # decisions between two lines of progress
ADMITTED, REFUSED, UNANSWERED = "1", "0", "-"


class AnyCounter:
    """Where is counted: a file that processes share, or a server at a URL."""

    def __init__(self, where: str) -> None:
        self._remote = ValkeyCounter(where) if "://" in where else None
        self._here = None if self._remote else AsTheGate(SharedCounter(Path(where)))

    async def take(self, meter: Meter) -> Outcome | None:
        """Decide once. None: nobody answered in time."""
        if self._here is not None:
            return self._here.take((meter,), 1)
        if self._remote is None:
            return None
        try:
            return await self._remote.take_remotely((meter,), 1)
        except LimitsUnavailable:
            await asyncio.sleep(1.0)  # until it is asked again
            return None


async def decide(counter: AnyCounter, history: int, decisions: int, amount: int) -> None:
    """Make *decisions* of keys that may each be used *amount* times a second."""
    chance = random.Random(os.getpid())
    meters = [Meter(subject_of("key", str(key), "a-s"), "a-s", amount, 1) for key in range(KEYS)]
    for number in range(1, decisions + 1):
        key = chance.randrange(KEYS)
        outcome = await counter.take(meters[key])
        if outcome is None:
            line = f"{key} {UNANSWERED} 0\n"
        else:
            line = f"{key} {ADMITTED if outcome.has_room else REFUSED} {outcome.standings[0].now}\n"
        os.write(history, line.encode())
        if number % STEP == 0:
            print(number, flush=True)


if __name__ == "__main__":
    where, path, *numbers = sys.argv[1:]
    appended = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    asyncio.run(decide(AnyCounter(where), appended, *map(int, numbers)))
