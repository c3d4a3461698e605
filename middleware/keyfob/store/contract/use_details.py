"""The contract of usage in detail: by which rules, from which addresses and with which outcome keys were used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import date

ADDRESSES: Final = 50
"""Addresses of a key that are told apart on a day: those most used, and while they are stored also the latest."""

OTHERS: Final = "*"
"""Stands for the addresses that are not told apart."""


HOURS: Final = 24
"""Hours of a key that are told apart, this one included."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Source(NamedTuple):
    """What one count is about. An empty *reason* is an admitted request."""

    day: int  # proleptic Gregorian ordinal
    address: str  # "": unknown
    rule: str  # as written; "": none
    reason: str  # a `keyfob.gate.verdict.Reason`


@dataclass(slots=True)
class Tally:
    """How often, and when first and last in microseconds since 1970-01-01 UTC."""

    first: int
    last: int
    admitted: int = 0
    denied: int = 0
    limited: int = 0

    @property
    def first_at(self) -> datetime:
        """The first time."""
        return _EPOCH + timedelta(microseconds=self.first)

    @property
    def last_at(self) -> datetime:
        """The last time."""
        return _EPOCH + timedelta(microseconds=self.last)

    @property
    def total(self) -> int:
        """All requests, whatever their outcome."""
        return self.admitted + self.denied + self.limited

    def add(self, other: Tally) -> None:
        """Count what *other* counts, too."""
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)
        self.admitted += other.admitted
        self.denied += other.denied
        self.limited += other.limited


Details = dict[Source, Tally]
Hours = dict[int, tuple[int, int, int]]  # by hour since 1970-01-01 UTC: admitted, denied, limited


def merge(ours: Details, theirs: Details) -> None:
    """Add *theirs* to *ours*. A tally may be shared afterwards."""
    for source, tally in theirs.items():
        known = ours.get(source)
        if known is None:
            ours[source] = tally
        else:
            known.add(tally)


def add_hours(ours: Hours, theirs: Hours) -> None:
    """Add *theirs* to *ours*, which keeps the last `HOURS`: all that a store has room for."""
    for hour, counts in theirs.items():
        admitted, denied, limited = ours.get(hour, (0, 0, 0))
        ours[hour] = admitted + counts[0], denied + counts[1], limited + counts[2]
    if len(ours) > 1:
        last = max(ours)
        for hour in [hour for hour in ours if hour <= last - HOURS]:
            del ours[hour]


def fold(details: Details, keep: int) -> Details:
    """Keep the *keep* most used sources, and count the addresses of all others as one."""
    ranked = sorted(details, key=lambda source: (-details[source].total, source))
    folded = {source: details[source] for source in ranked[:keep]}
    for source in ranked[keep:]:
        merge(folded, {source._replace(address=OTHERS): details[source]})
    return folded


@dataclass(frozen=True, slots=True)
class UseRow:
    """What is stored of one label, over several days."""

    label: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class UseHour:
    """The usage of one key in one hour."""

    hour: int  # since 1970-01-01 UTC
    admitted: int
    denied: int
    limited: int = 0

    @property
    def at(self) -> datetime:
        """When it began."""
        return _EPOCH + timedelta(hours=self.hour)

    @property
    def total(self) -> int:
        """All requests, whatever their outcome."""
        return self.admitted + self.denied + self.limited


class UseDetailTable(Protocol):
    """The part of a store that keeps usage in detail. Every method may raise StoreUnavailable."""

    async def by_address(self, key_id: str, since: date) -> list[UseRow]:
        """Where a key was used from, the `ADDRESSES` most used of each day, and `OTHERS`."""
        ...

    async def by_rule(self, key_id: str, since: date) -> list[UseRow]:
        """By which rules a key's requests were judged."""
        ...

    async def by_reason(self, key_id: str, since: date) -> list[UseRow]:
        """Why requests of a key were refused."""
        ...

    async def by_hour(self, key_id: str, since: int) -> list[UseHour]:
        """The hours from *since* on in which a key was used, of the last `HOURS`."""
        ...

    async def pairs(self, key_id: str, since: date) -> list[tuple[str, str, Tally]]:
        """Admitted requests by rule and address."""
        ...

    async def forget(self, before: date) -> None:
        """Delete what is older than *before*, in small portions."""
        ...
