"""Counting as the gate has it counted: each request as a repetition of the one before, where that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.limits.windows import ANEW, Outcome, Standing

if TYPE_CHECKING:
    from keyfob.limits.shared import SharedCounter
    from keyfob.limits.windows import Meter, Repeating


class AsTheGate:
    """Counts with a `SharedCounter`, and remembers which requests it can repeat."""

    def __init__(self, counter: SharedCounter) -> None:
        self.repeated = 0  # requests that were counted as repetitions
        self._counter = counter
        self._looks: list[int] = []  # at the clock, for one request
        self._clock, counter.clock = counter.clock, self._look
        self._again: dict[tuple[tuple[Meter, ...], int], Repeating] = {}

    def _look(self) -> int:
        self._looks.append(self._clock())
        return self._looks[-1]

    def take(self, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Count *cost* for each of *meters* if all have room. Raises LimitsUnavailable."""
        self._looks.clear()
        told = self._again.get((meters, cost), ANEW).take()
        if told is None:
            outcome = self._counter.take(meters, cost)
            self._again[meters, cost] = self._counter.repeating(meters, cost) if outcome.has_room else ANEW
            return outcome
        self.repeated += 1
        now = self._looks[0]  # in whose window it was judged
        standings = [
            Standing(meter, meter.amount - room, 0, now) for meter, room in zip(meters, told[::2], strict=True)
        ]
        return Outcome(has_room=True, standings=tuple(standings))

    def look(self, meters: tuple[Meter, ...]) -> tuple[Standing, ...]:
        """Read without counting. Raises LimitsUnavailable."""
        return self._counter.look(meters)

    def repeating(self, *_: object) -> Repeating:
        """Repeat nothing: `take` does."""
        return ANEW

    def close(self) -> None:
        """Give the cells of this worker to the next."""
        self._counter.close()
