"""How much may pass in a calendar period, and which period a moment is in. Periods are those of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

MOST: Final = 1_000_000_000_000  # of an amount; what a header field can hold has three digits more
_A_DAY = timedelta(days=1)
_LONGER_THAN_A_MONTH = timedelta(days=32)


class Every(StrEnum):
    """How long a period is."""

    DAY = "day"
    MONTH = "month"


class Quota(NamedTuple):
    """How much may pass in each period."""

    amount: int
    every: Every


class ExtraQuota(NamedTuple):
    """How much more may pass in the period that ends at *until*; less, where *amount* is negative."""

    amount: int
    until: datetime


class Period(NamedTuple):
    """A day or month of UTC, in seconds since the epoch. It has ended at *ends*."""

    begins: int
    ends: int

    @property
    def end(self) -> datetime:
        """The moment at which it has ended."""
        return datetime.fromtimestamp(self.ends, UTC)


def period_of(every: Every, now: float) -> Period:
    """Find the period that *now*, in seconds since the epoch, is in."""
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if every is Every.DAY:
        begins, ends = midnight, midnight + _A_DAY
    else:
        begins = midnight.replace(day=1)
        ends = (begins + _LONGER_THAN_A_MONTH).replace(day=1)
    return Period(int(begins.timestamp()), int(ends.timestamp()))
