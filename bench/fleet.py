"""What a thousand workers ask of one PostgreSQL, simulated with the constants of the code; `docs/scaling.md` uses it.

Events in the order of their time, drawn with a seeded generator. What is simulated: each worker polls every
``max_staleness / 4`` after its last answer, or sooner when a notification reaches it, and hints that come together
are answered by one poll; each writes what was used every ``usage_interval``. What is not: what the database takes
longer for when it is busy. Each statement takes a time drawn evenly around what is given.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

from bench.figures import Figures, quantile
from bench.fleet_measured import transactions_a_second
from keyfob.store.postgres.connections import AT_ONCE
from keyfob.store.postgres.notifications import GATHER

USAGE_STATEMENTS = 9  # BEGIN with its settings, the holding of rows, six writes and COMMIT
LISTENING = 1  # connections of each worker that wait for notifications
WARMUP = 5.0  # seconds
LASTS = 20.0  # seconds that are counted
MEASURED = 12.0  # seconds of the small real fleet


@dataclass(frozen=True)
class Fleet:
    """What is simulated. Times are in seconds."""

    workers: int
    max_staleness: float = 2.0
    usage_interval: float = 1.0
    changes: float = 1.0  # in a second
    heard: float = 1.0  # the share of notifications that arrive; 0 behind a transaction pooler
    active: bool = True  # whether every worker has something to write in every interval
    answer: float = 0.002  # what a statement takes


@dataclass
class Load:
    """What came of it."""

    polls: int = 0
    usage: int = 0
    delays: list[float] | None = None  # from each change to when the last worker had read it

    def per_second(self, count: int) -> float:
        """*count* as a rate."""
        return count / LASTS


def simulate(fleet: Fleet, seed: int = 7) -> Load:
    """Let the fleet run for `LASTS` seconds."""
    rng = random.Random(seed)
    period, end = fleet.max_staleness / 4, WARMUP + LASTS
    load = Load(delays=[])
    due = [rng.uniform(0, period) for _ in range(fleet.workers)]
    unread: list[tuple[float, set[int]]] = []  # each change, and who has not read it
    events: list[tuple[float, int, str, int]] = []
    for worker in range(fleet.workers):
        heapq.heappush(events, (due[worker], worker, "poll", worker))
        if fleet.active:
            heapq.heappush(events, (rng.uniform(0, fleet.usage_interval), worker, "use", worker))
    if fleet.changes:
        heapq.heappush(events, (rng.expovariate(fleet.changes), -1, "change", -1))
    while events and events[0][0] < end:
        at, _, what, worker = heapq.heappop(events)
        counted = at >= WARMUP
        if what == "change":
            unread.append((at, set(range(fleet.workers))))
            heapq.heappush(events, (at + rng.expovariate(fleet.changes), -1, "change", -1))
            for listener in range(fleet.workers):
                sooner = at + rng.uniform(0.0005, 0.002) + GATHER
                if sooner < due[listener] and rng.random() < fleet.heard:
                    due[listener] = sooner
                    heapq.heappush(events, (sooner, listener, "poll", listener))
        elif what == "use":
            load.usage += counted
            heapq.heappush(events, (at + fleet.usage_interval, worker, "use", worker))
        elif at == due[worker]:  # else a hint has brought this poll forward
            load.polls += counted
            took = rng.uniform(0.5, 1.5) * fleet.answer
            due[worker] = at + took + period
            heapq.heappush(events, (due[worker], worker, "poll", worker))
            unread = _read(unread, worker, at, at + took, load)
    return load


def _read(
    unread: list[tuple[float, set[int]]], worker: int, began: float, ended: float, load: Load
) -> list[tuple[float, set[int]]]:
    """Take *worker* off every change that its poll saw; note how long the last one took."""
    for changed, waiting in unread:
        if changed < began:
            waiting.discard(worker)
            if not waiting and load.delays is not None and changed >= WARMUP:
                load.delays.append(ended - changed)
    return [one for one in unread if one[1]]


FLEETS = {
    "8 workers": Fleet(8),
    "1,000 workers": Fleet(1_000),
    "1,000, no notifications": Fleet(1_000, heard=0.0),
    "1,000, max_staleness 10": Fleet(1_000, max_staleness=10.0),
    "1,000, max_staleness 10, usage_interval 10": Fleet(1_000, max_staleness=10.0, usage_interval=10.0),
    "1,000, 10 changes a second": Fleet(1_000, changes=10.0),
}


async def measure() -> Figures:
    """Simulate every fleet of `FLEETS`."""
    columns = {name: _figures(fleet, simulate(fleet)) for name, fleet in FLEETS.items()}
    rows = {row: [column[row] for column in columns.values()] for row in next(iter(columns.values()))}
    few = simulate(FLEETS["8 workers"])
    simulated = few.per_second(few.polls + few.usage) + 1
    measured = await transactions_a_second(8, MEASURED)
    notes = [
        f"{LASTS:.0f} s simulated; max_staleness 2 s, usage_interval 1 s, one change a second unless said otherwise.",
        f"8 workers: {simulated:.1f} transactions a second simulated, {measured:.1f} counted by a real PostgreSQL.",
    ]
    return Figures("fleet", list(columns), rows, notes)


def _figures(fleet: Fleet, load: Load) -> dict[str, float]:
    delays = load.delays or [0.0]
    return {
        "polls a second": load.per_second(load.polls),
        "usage transactions a second": load.per_second(load.usage),
        "statements a second": load.per_second(load.polls + USAGE_STATEMENTS * load.usage),
        "change to last worker, median, s": quantile(delays, 0.5),
        "change to last worker, longest, s": max(delays),
        "promised at the latest, s": fleet.max_staleness,
        "connections held at most": float(fleet.workers * (2 * AT_ONCE + LISTENING)),
    }
