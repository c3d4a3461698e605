"""What one process holds of a quota in a period."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Self

from keyfob.keys.quota import period_of
from keyfob.limits.purses import PurseStanding
from keyfob.store.contract.quotas import CountedPeriod

if TYPE_CHECKING:
    import asyncio

    from keyfob.limits.purses import Purse
    from keyfob.store.contract.quotas import Lease

BELIEVED: Final = 1.0  # seconds for which nobody asks again whether there is something left


class Portion:
    """What was leased and not used yet, and what the database said of the rest."""

    __slots__ = (
        "amount",
        "asked_at",
        "counted",
        "is_over",
        "is_void",
        "leasing",
        "left",
        "taken",
        "touched_at",
        "used",
        "waiting",
    )

    def __init__(self, counted: CountedPeriod, amount: int, moment: float) -> None:
        self.counted = counted
        self.amount = amount  # under which what is left was leased
        self.left = 0
        self.used = 0  # and not reported yet
        self.taken: int | None = None  # of the whole quota, by all processes, when the database was asked
        self.asked_at = 0.0
        self.touched_at = moment
        self.leasing: asyncio.Task[None] | None = None
        self.waiting = 0  # what those need that wait for a lease
        self.is_over = False  # another portion has taken its place: what is leased late returns
        self.is_void = False  # the database is another one: what is leased late is of neither

    @classmethod
    def of(cls, purse: Purse, now: float, moment: float) -> Self:
        """Begin with nothing, in the period that *now* is in."""
        return cls(CountedPeriod(purse.subject, *period_of(purse.every, now)), purse.amount, moment)

    def take(self, cost: int, moment: float) -> None:
        """Count *cost*, for which there is room."""
        self.left -= cost
        self.used += cost
        self.touched_at = moment

    def give_back(self, cost: int) -> None:
        """Undo `take`."""
        self.left += cost
        self.used -= cost

    def add(self, lease: Lease, purse: Purse, asked_at: float) -> None:
        """Hold what was leased under the amount of *purse*."""
        self.amount = max(self.amount, purse.amount) if self.left else purse.amount
        self.left += lease.granted
        self.taken, self.asked_at = lease.taken, asked_at

    def is_exhausted(self, purse: Purse, cost: int, moment: float) -> bool:
        """Whether the database has said so lately that there is not enough left for *cost*."""
        if self.taken is None or moment >= self.asked_at + BELIEVED:
            return False
        return self.left + purse.amount - self.taken < cost

    def is_idle(self, moment: float, idle: float) -> bool:
        """Whether nothing was taken for *idle* seconds, and nobody waits for more."""
        return self.leasing is None and not self.waiting and moment >= self.touched_at + idle

    def report(self) -> int:
        """What was used since the last report, which this is."""
        used, self.used = self.used, 0
        return used

    def clear(self) -> int:
        """Let go of what is left, and say how much it is."""
        left, self.left = self.left, 0
        return left

    def standing(self, purse: Purse, now: float) -> PurseStanding:
        """Where *purse* stands, as far as is known here."""
        beyond = max(0, purse.amount - (self.taken or 0))
        length = self.counted.ends - self.counted.begins
        return PurseStanding(purse.name, purse.amount, length, self.left + beyond, math.ceil(self.counted.ends - now))
