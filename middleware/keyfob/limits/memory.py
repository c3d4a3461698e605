"""Counts in the memory of this process alone: for tests, and for what cannot be counted where it should be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from keyfob.limits.windows import ANEW, NS, Outcome, Standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.limits.windows import Meter, Repeating

_FEWEST = 1024  # counts before those that are over are dropped

_Counted = tuple[int, int, int]
"""A window's number, what passed in it, and what passed in the one before."""


class MemoryCounter:
    """Counts for one process. Its methods wait for nothing, so that no two of one event loop interleave."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        """*clock* tells nanoseconds since the epoch."""
        self._clock = clock
        self._counted: dict[tuple[bytes, int], _Counted] = {}
        self._prune_at = _FEWEST

    def take(self, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Count *cost* for each of *meters* if all have room."""
        before = self.look(meters)
        after = tuple(standing._replace(current=standing.current + cost) for standing in before)
        if not all(standing.fits() for standing in after):
            return Outcome(has_room=False, standings=before)
        for meter, _, _, _ in after:
            window, current, previous = self._of(meter, after[0].now)
            self._counted[meter.subject, meter.seconds] = window, current + cost, previous
        if len(self._counted) > self._prune_at:
            self._prune(after[0].now)
        return Outcome(has_room=True, standings=after)

    def repeating(self, *_: object) -> Repeating:
        """Spare nothing: there is no file to be found."""
        return ANEW

    def look(self, meters: tuple[Meter, ...]) -> tuple[Standing, ...]:
        """Read without counting."""
        now = self._clock()
        return tuple(Standing(meter, *self._of(meter, now)[1:], now) for meter in meters)

    def close(self) -> None:
        """Nothing is open. The counts stay."""

    def _of(self, meter: Meter, now: int) -> _Counted:
        window = now // (meter.seconds * NS)
        counted, current, previous = self._counted.get((meter.subject, meter.seconds), (window, 0, 0))
        if counted == window:
            return window, current, previous
        return window, 0, current if counted == window - 1 else 0

    def _prune(self, now: int) -> None:
        """Drop what no longer counts."""
        self._counted = {
            (subject, seconds): counted
            for (subject, seconds), counted in self._counted.items()
            if counted[0] >= now // (seconds * NS) - 1
        }
        self._prune_at = max(_FEWEST, 2 * len(self._counted))
