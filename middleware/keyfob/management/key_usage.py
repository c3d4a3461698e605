"""Shows how a key was used: day by day, and by rule, client address and reason of denial."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import Invalid
from keyfob.management.pagination import read_number
from keyfob.store.contract.key_store import UseDay
from keyfob.store.contract.use_details import HOURS, OTHERS, UseHour

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from keyfob.management.actor import Actor
    from keyfob.management.key_listing import KeyListing
    from keyfob.store.contract.key_store import KeyStore

MOST_DAYS: Final = 365
GROUPINGS: Final = ("rule", "address", "reason")
_NEEDED: Final = "keys:read"
_UNNAMED: Final = {"rule": "no rule", "address": "unknown", "reason": ""}


@dataclass(frozen=True, slots=True)
class UsageRow:
    """How often requests with one label were admitted, denied or over a limit, and when first and last."""

    label: str
    admitted: int
    denied: int
    limited: int
    first: datetime
    last: datetime


class KeyUsage:
    """Reads the usage of keys. *key_id* may be the 16 characters or the display form."""

    def __init__(self, listing: KeyListing, store: KeyStore, now: Callable[[], datetime]) -> None:
        self._listing = listing
        self._store = store
        self._now = now

    async def days(self, team_id: str, key_id: str, days: int | str = 30, *, actor: Actor) -> list[UseDay]:
        """Give each of the last *days* (1–365, UTC), today last; needs ``keys:read``.

        Raises Forbidden, NotFound and Invalid.
        """
        view = await self._listing.one(team_id, key_id, actor=actor, needed=_NEEDED)
        first, today = self._period(days)
        used = {day.day: day for day in await self._store.usage(view.record.id, first)}
        return [used.get(day, UseDay(day, 0, 0)) for day in _each_day(first, today)]

    async def hours(self, team_id: str, key_id: str, *, actor: Actor) -> list[UseHour]:
        """Give each of the last 24 hours, this one last; needs ``keys:read``. Raises Forbidden and NotFound."""
        view = await self._listing.one(team_id, key_id, actor=actor, needed=_NEEDED)
        last = int(self._now().timestamp()) // 3_600
        hours = range(last - HOURS + 1, last + 1)
        used = {hour.hour: hour for hour in await self._store.use_details.by_hour(view.record.id, hours[0])}
        return [used.get(hour, UseHour(hour, 0, 0)) for hour in hours]

    async def rows(self, team_id: str, key_id: str, by: str, days: int | str = 30, *, actor: Actor) -> list[UsageRow]:
        """Group the requests of the last *days* by one of `GROUPINGS`, the most frequent first; needs ``keys:read``.

        Addresses beyond the 50 most used of a day are one row, ``others``. Raises Forbidden, NotFound and Invalid.
        """
        view = await self._listing.one(team_id, key_id, actor=actor, needed=_NEEDED)
        if by not in GROUPINGS:
            raise Invalid(("/by", f"Usage can be grouped by {', '.join(GROUPINGS[:-1])} or {GROUPINGS[-1]}"))
        first, _ = self._period(days)
        table = self._store.use_details
        read = {"rule": table.by_rule, "address": table.by_address, "reason": table.by_reason}[by]
        told = {"": _UNNAMED[by]} | ({OTHERS: "others"} if by == "address" else {})
        rows = [
            UsageRow(
                told.get(row.label, row.label),
                row.tally.admitted,
                row.tally.denied,
                row.tally.limited,
                row.tally.first_at,
                row.tally.last_at,
            )
            for row in await read(view.record.id, first)
        ]
        return sorted(rows, key=lambda row: (-row.admitted - row.denied - row.limited, row.label))

    def _period(self, days: int | str) -> tuple[date, date]:
        today = self._now().astimezone(UTC).date()
        return today - timedelta(days=read_number(days, "days", most=MOST_DAYS) - 1), today


def _each_day(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
