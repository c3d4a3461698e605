"""What keys and teams have used of their quotas in each period, and what workers hold of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class CountedPeriod(NamedTuple):
    """What is counted together: the use of one key or team, from *begins* until *ends*, seconds since the epoch."""

    subject: str  # "key/ID" or "team/ID"
    begins: int
    ends: int


class Lease(NamedTuple):
    """The answer to a worker that asked for a portion. Nothing was granted where less was left than it needs."""

    granted: int
    taken: int  # what is used, and what workers hold; the portion is part of it


class QuotaUse(NamedTuple):
    """What is used of a quota, and what workers hold of it, or held when they were killed."""

    counted: CountedPeriod
    used: int
    leased: int


class Settlement(NamedTuple):
    """What a worker did with its portions: how much it used since it said so last, and how much it gives back."""

    counted: CountedPeriod
    used: int
    returned: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Settlements of one worker, one for each period. *number* goes up, so that none is applied twice."""

    worker: str
    number: int
    settlements: Sequence[Settlement]
    at: int  # seconds since the epoch


class QuotaTable(Protocol):
    """The part of a store that counts quotas. Every method may raise StoreUnavailable.

    What is used and what workers hold never exceed the amount together, so that workers may use what they hold.
    """

    async def lease(self, counted: CountedPeriod, *, amount: int, least: int, most: int) -> Lease:
        """Hand out a portion, on the disk before this returns.

        Args:
            counted: of which key or team, and period.
            amount: how much may be used in the period.
            least: what is needed; where less is left, nothing is granted.
            most: how much is granted at most, not less than *least*; near the end it is less.
        """
        ...

    async def settle(self, batch: Batch) -> None:
        """Write down what was used and given back. Doing so again with the same number changes nothing."""
        ...

    async def used(self, counted: CountedPeriod) -> int:
        """How much is known to be used."""
        ...

    async def use(self, counted: CountedPeriod) -> QuotaUse:
        """How much is known to be used, and how much is leased."""
        ...

    async def at(self, moment: int) -> list[QuotaUse]:
        """What is known of every period that this moment, in seconds since the epoch, is in."""
        ...

    async def last_settlement(self) -> int | None:
        """When a worker said last what it did, in seconds since the epoch; None where none has for a week."""
        ...

    async def forget(self, before: int) -> None:
        """Delete what ended before this moment, in seconds since the epoch."""
        ...
