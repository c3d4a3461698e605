"""The arithmetic of limits. Pure: the time is an argument, and nothing here does I/O.

Two things are counted for each window, which is aligned to the clock: what passed in it, and what passed in the one
before. What passed in the sliding window that ends now is estimated as all of the current window's, and of the one
before as much as the sliding window still covers. Neither the count nor the estimate may exceed the amount.
Times are whole nanoseconds since the epoch, so that nothing is lost to rounding.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

NS: Final = 1_000_000_000  # nanoseconds in a second
SUBJECT_SIZE: Final = 16  # bytes
NEAR: Final = 80  # percent of a limit, in one window, from which on a key is near it


class Meter(NamedTuple):
    """One rate for one key or one team: what is counted, under which name, and how much may pass in a window."""

    subject: bytes  # of key or team and the name: `subject_of`
    name: str  # "standard-min"
    amount: int
    seconds: int  # the length of a window

    @property
    def near(self) -> int:
        """How much has passed in a window when its end is near."""
        return -(-self.amount * NEAR // 100)


class Standing(NamedTuple):
    """What was counted for *meter* at *now*."""

    meter: Meter
    current: int
    previous: int
    now: int

    @property
    def room(self) -> tuple[int, int]:
        """How much may pass now, and the whole seconds to the end of the window, never too few."""
        meter, current, previous, now = self
        length = meter.seconds * NS
        to_end = length - now % length
        left = meter.amount - current
        if previous:
            left = (left * length - previous * to_end) // length
        return max(0, left), -(-to_end // NS)

    @property
    def remaining(self) -> int:
        """How much may pass now."""
        return self.room[0]

    @property
    def seconds_to_end(self) -> int:
        """Whole seconds to the end of the window, never too few."""
        return self.room[1]

    @property
    def _to_end(self) -> int:
        length = self.meter.seconds * NS
        return length - self.now % length

    def fits(self) -> bool:
        """Whether what was counted is within the amount."""
        if self.current + self.previous <= self.meter.amount:  # most often, and needs no clock
            return True
        length = self.meter.seconds * NS
        return (self.current - self.meter.amount) * length + self.previous * self._to_end <= 0

    def has_room_for(self, cost: int) -> bool:
        """Whether *cost* may pass now."""
        return self._replace(current=self.current + cost).fits()

    def wait_for(self, cost: int) -> int:
        """Whole seconds, one at least, after which *cost* fits, if nothing else passes meanwhile.

        If *cost* never fits, these are the seconds to the end of the next window.
        """
        length, to_end = self.meter.seconds * NS, self._to_end
        room = self.meter.amount - self.current - cost
        if room >= 0:  # as soon as the window before weighs little enough
            wait = to_end - _left_when(room, self.previous, length)
        else:
            room = max(0, self.meter.amount - cost)
            wait = to_end + length - _left_when(room, self.current, length)
        return max(1, -(-wait // NS))


def _left_when(room: int, previous: int, length: int) -> int:
    """How much of a window is left when *previous*, of the window before, weighs no more than *room*."""
    return length if previous <= room else room * length // previous


class Outcome(NamedTuple):
    """Whether all meters had room for a request, and where they stand, with the request counted if they had."""

    has_room: bool
    standings: tuple[Standing, ...]


Watch: TypeAlias = "tuple[Callable[[str, Meter], None], str]"
"""Who is told that a meter is near its end, and of which key it is: apart, so that keys share the first."""


class Repeating(Protocol):
    """Counts the same for the same meters each time."""

    def take(self) -> tuple[int, ...] | None:
        """Count if all have room: what may pass now, and the seconds to the end of the window, of each meter in turn.

        None: nothing was counted, and `Counter.take` has to say.
        """
        ...


class Anew(Repeating):
    """Counts nothing: what was found out for the last request is no use to the next."""

    def take(self) -> None:
        """Leave it to `Counter.take`."""


ANEW: Final = Anew()


class Counter(Protocol):
    """Counts for the meters of a request: for all or for none."""

    def take(self, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Count *cost* for each of *meters* if all have room. Raises LimitsUnavailable."""
        ...

    def repeating(self, meters: tuple[Meter, ...], cost: int, watch: Watch | None = None) -> Repeating:
        """Return what counts the same again in fewer steps, after `take` has; `ANEW` where there is no such thing.

        *watch* is told of each meter that is near its end by then.
        """
        ...

    def look(self, meters: tuple[Meter, ...]) -> tuple[Standing, ...]:
        """Read without counting. Raises LimitsUnavailable."""
        ...

    def close(self) -> None:
        """Let go of what is open. Counting again opens it again."""
        ...


@runtime_checkable
class RemoteCounter(Protocol):
    """Counts where an answer has to be waited for."""

    async def take_remotely(self, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Count *cost* for each of *meters* if all have room; 0 only reads. Raises LimitsUnavailable."""
        ...

    async def disconnect(self) -> None:
        """Let go of what is open. Counting again opens it again."""
        ...


@lru_cache(maxsize=65_536)
def subject_of(kind: str, of: str, name: str) -> bytes:
    """What is counted under *name* for the key or team *of*, whatever the amount is."""
    return blake2b(f"{kind}\0{of}\0{name}".encode(), digest_size=SUBJECT_SIZE, person=b"keyfob/limits").digest()
