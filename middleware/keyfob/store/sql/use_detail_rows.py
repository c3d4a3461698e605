"""Usage in detail, on any engine: all use the same statement names and values."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from keyfob.store.contract.use_details import ADDRESSES, OTHERS, Tally, UseHour, UseRow
from keyfob.store.sql import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from keyfob.store.contract.key_store import Use
    from keyfob.store.sql.refusal_table import Database

PORTION = 5_000  # rows deleted in one transaction


class UseDetailRows:
    """A `keyfob.store.contract.use_details.UseDetailTable` over *statements*, by name."""

    def __init__(self, database: Database, statements: Mapping[str, str]) -> None:
        self._database = database
        self._statements = statements

    async def by_address(self, key_id: str, since: date) -> list[UseRow]:
        """Where a key was used from, the `ADDRESSES` most used of each day, and `OTHERS`."""
        told: dict[str, Tally] = {}
        found = await self._read("details_by_address", key_id, since)
        with rows.decoding():
            for _, day in groupby(found, key=lambda row: row[0]):
                of_day = sorted(((row[1], _tally(row[2:])) for row in day), key=lambda one: (-one[1].total, one[0]))
                apart = [address for address, _ in of_day if address != OTHERS][:ADDRESSES]
                for address, tally in of_day:
                    _count(told, address if address in apart else OTHERS, tally)
        return [UseRow(address, tally) for address, tally in told.items()]

    async def by_rule(self, key_id: str, since: date) -> list[UseRow]:
        """By which rules a key's requests were judged."""
        return [UseRow(row[0], _tally(row[1:])) for row in await self._read("details_by_rule", key_id, since)]

    async def by_reason(self, key_id: str, since: date) -> list[UseRow]:
        """Why requests of a key were refused."""
        return [UseRow(row[0], _tally(row[1:])) for row in await self._read("details_by_reason", key_id, since)]

    async def by_hour(self, key_id: str, since: int) -> list[UseHour]:
        """The hours from *since* on in which a key was used, of the last `HOURS`."""
        found = await self._database.read(self._statements["usage_by_hour"], (key_id, since))
        with rows.decoding():
            return [UseHour(*map(int, row)) for row in found]

    async def pairs(self, key_id: str, since: date) -> list[tuple[str, str, Tally]]:
        """Admitted requests by rule and address."""
        return [(row[0], row[1], _tally(row[2:])) for row in await self._read("admitted_details", key_id, since)]

    async def forget(self, before: date) -> None:
        """Delete what is older than *before*, in small portions."""
        day = before.toordinal()
        while await self._database.read(self._statements["old_details"], (day,)):
            await self._database.note(self._statements["forget_details"], (day, PORTION))

    async def _read(self, name: str, key_id: str, since: date) -> list[Sequence[Any]]:
        return await self._database.read(self._statements[name], (key_id, since.toordinal()))


def values_of(uses: Mapping[str, Use]) -> list[tuple[object, ...]]:
    """The rows of ``add_details``: the columns of the table, in its order."""
    return [
        (key_id, *source, tally.admitted, tally.denied, tally.limited, tally.first, tally.last)
        for key_id, use in uses.items()
        for source, tally in use.details.items()
    ]


def hours_of(uses: Mapping[str, Use]) -> list[tuple[str, int, int, int, int]]:
    """Key, hour, and what was admitted, denied and limited in it."""
    return [(key_id, hour, *counts) for key_id, use in uses.items() for hour, counts in use.hours.items()]


def days_of(uses: Mapping[str, Use]) -> Iterator[tuple[str, int]]:
    """The keys and days whose addresses may have become too many."""
    for key_id, use in uses.items():
        for day in {source.day for source in use.details}:
            yield key_id, day


def _tally(columns: Sequence[Any]) -> Tally:
    """The tally in ``admitted, denied, limited, first, last``; sums are decimals in PostgreSQL."""
    admitted, denied, limited, first, last = map(int, columns)
    return Tally(first, last, admitted, denied, limited)


def _count(told: dict[str, Tally], label: str, tally: Tally) -> None:
    if label in told:
        told[label].add(tally)
    else:
        told[label] = tally
