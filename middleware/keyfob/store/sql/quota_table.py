"""Quotas, on any engine: all use the same statement names and values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from keyfob.store.contract.quotas import CountedPeriod, Lease, QuotaUse
from keyfob.store.sql import rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyfob.store.contract.quotas import Batch

_SECOND = 1_000_000  # microseconds


class Database(Protocol):
    """The part of the store that this needs. Every method raises StoreUnavailable."""

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Sequence[Any]]:
        """Run one read-only statement."""
        ...

    async def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Run one small statement in its own transaction; it changes no key."""
        ...

    async def write(self, sql: str, parameters: Mapping[str, object]) -> list[Sequence[Any]]:
        """Run one small statement that a request waits for, and that lasts when it returns."""
        ...

    async def settle_quotas(self, parameters: Mapping[str, object]) -> None:
        """Apply one batch, if it was not applied before."""
        ...


class QuotaRows:
    """A `keyfob.store.contract.quotas.QuotaTable` over *statements*, by name."""

    def __init__(self, database: Database, statements: Mapping[str, str]) -> None:
        self._database = database
        self._statements = statements

    async def lease(self, counted: CountedPeriod, *, amount: int, least: int, most: int) -> Lease:
        """Hand out a portion. The row is made with the first one of its period."""
        key = dict(zip(("subject", "begins_at", "ends_at"), _key(counted), strict=True))
        asked = {**key, "amount": amount, "least": least, "most": most}
        while not (found := await self._database.write(self._statements["lease_quota"], asked)):
            await self._database.write(self._statements["add_quota"], key)
        with rows.decoding():
            ((granted, taken),) = found
            return Lease(granted, taken)

    async def settle(self, batch: Batch) -> None:
        """Write down what was used and given back, all or nothing."""
        settlements = [(*_key(one.counted), one.used, one.returned) for one in batch.settlements]
        values = {"worker": batch.worker, "number": batch.number, "at": batch.at * _SECOND}
        await self._database.settle_quotas({**values, "settlements": json.dumps(settlements)})

    async def used(self, counted: CountedPeriod) -> int:
        """How much is known to be used."""
        return (await self.use(counted)).used

    async def use(self, counted: CountedPeriod) -> QuotaUse:
        """How much is known to be used, and how much is leased."""
        found = await self._database.read(self._statements["quota_used"], _key(counted))
        with rows.decoding():
            used, leased = found[0] if found else (0, 0)
            return QuotaUse(counted, used, leased)

    async def at(self, moment: int) -> list[QuotaUse]:
        """What is known of every period that this moment is in."""
        found = await self._database.read(self._statements["quotas_at"], (moment * _SECOND,) * 2)
        with rows.decoding():
            return [
                QuotaUse(CountedPeriod(subject, begins // _SECOND, ends // _SECOND), used, leased)
                for subject, begins, ends, used, leased in found
            ]

    async def last_settlement(self) -> int | None:
        """When a worker said last what it did."""
        found = await self._database.read(self._statements["last_settlement"])
        with rows.decoding():
            return None if found[0][0] is None else int(found[0][0]) // _SECOND

    async def forget(self, before: int) -> None:
        """Delete what ended before this moment, and the workers that have not settled since."""
        for name in ("forget_quotas", "forget_settlers"):
            await self._database.note(self._statements[name], (before * _SECOND,))


def _key(counted: CountedPeriod) -> tuple[str, int, int]:
    return counted.subject, counted.begins * _SECOND, counted.ends * _SECOND
