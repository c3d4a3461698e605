"""The same request again: what nearly every limited request is, in as few steps as there can be.

`SharedCounter.take` finds the cells of a key, and says what happens in every case. A `RepeatedTake` is what is left of
it for a key that it has counted before: one write, one read and one sum for each limit. It follows the same rules, in
the same order: see `keyfob.limits.shared`. Whatever is not as usual, it takes its claims back and leaves the request
to `take`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from keyfob.limits.rows import sum_up
from keyfob.limits.windows import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from threading import Lock

    from keyfob.limits.own_cell import OwnCell
    from keyfob.limits.windows import Meter, Watch

_NEVER: Final = 1 << 80  # nanoseconds, or requests


class Counting(Protocol):
    """What is asked of the counter: its clock and locks, and how long its file needs no second look."""

    clock: Callable[[], int]  # nanoseconds since the epoch
    one_thread: Lock
    fence: Lock
    checked_at: int
    check_at: int


class RepeatedTake:
    """Counts for the same meters each time."""

    __slots__ = ("_cost", "_counter", "_parts", "_watch")

    def __init__(
        self,
        counter: Counting,
        meters: tuple[Meter, ...],
        cells: Iterable[OwnCell],
        cost: int,
        watch: Watch | None,
    ) -> None:
        """Count *cost* for each of *meters* in its one of *cells*; *watch* is told of a meter near its end."""
        self._counter = counter
        self._cost = cost
        self._watch = watch
        self._parts = tuple(
            [
                (cell, meter, meter.amount, _NEVER if watch is None else meter.near)
                for meter, cell in zip(meters, cells, strict=True)
            ]
        )

    def take(self) -> tuple[int, ...] | None:
        """Count once more: what may pass now, and the seconds to the end of the window, of each meter in turn.

        None: nothing was counted, and `SharedCounter.take` has to say.
        """
        counter, cost = self._counter, self._cost
        standing: tuple[int, ...] = ()
        with counter.one_thread:
            now, ends = counter.clock(), _NEVER
            if not counter.checked_at <= now < counter.check_at:
                return None
            for cell, meter, amount, near in self._parts:
                if not cell.begins <= now < cell.ends and not cell.turn_to(now):
                    break
                try:
                    cell.word += cost
                    data = cell.file.claim(cell, counter.fence)
                except OSError:
                    self._retract(cell)
                    break
                current, previous, is_behind = sum_up(data, cell.low)
                room, to_end = amount - current, cell.ends - now
                if previous:
                    room = (room * cell.length - previous * to_end) // cell.length
                if room < 0 or is_behind or not data.startswith(cell.subject):
                    self._retract(cell)
                    break
                if current >= near and self._watch is not None:
                    tell, key_id = self._watch
                    tell(key_id, meter)
                standing = (*standing, room, -(-to_end // NS))
                if cell.ends < ends:  # noqa: PLR1730 - `min` costs a call
                    ends = cell.ends
            else:
                if counter.clock() < ends:  # a clock that was set back meanwhile changes nothing
                    return standing
            self._retract(*[part[0] for part in self._parts[: len(standing) // 2]])
            return None

    def _retract(self, *claimed: OwnCell) -> None:
        for cell in claimed:
            with suppress(OSError):  # then less passes in this window than could
                cell.retract(self._cost)
