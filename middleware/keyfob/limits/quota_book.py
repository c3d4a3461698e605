"""Counts quotas in one process: from portions that it leases from the database, so that most requests wait for nothing.

What a process holds is taken from the database beforehand. So whatever happens to it, no more passes than the amount;
a process that is killed takes with it what it held. What is not used for `IDLE` seconds returns, and so does what is
left at shutdown.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from keyfob.errors import LimitsUnavailable, StoreUnavailable
from keyfob.limits.portion import Portion
from keyfob.limits.purses import QuotaOutcome
from keyfob.store.contract.quotas import Batch, CountedPeriod, Settlement

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.limits.purses import Purse
    from keyfob.store.contract.quotas import QuotaTable

log = logging.getLogger("keyfob")

IDLE: Final = 5.0  # seconds after which what is not used returns
EVERY: Final = 1.0  # seconds between two reports of what was used
LEASE_LIMIT: Final = 2.0  # seconds that a request waits for a portion
_SHARE: Final = 100  # a portion is this part of the amount
_AT_ONCE: Final = 1_000  # settlements in one transaction
_KEPT: Final = 7 * 86_400  # seconds after their end for which periods are kept
_TIDY_EVERY: Final = 6 * 3_600  # seconds

_BOOKS: WeakSet[QuotaBook] = WeakSet()


class QuotaBook:
    """The portions of one process. What does not await cannot interleave with anything."""

    def __init__(
        self,
        table: QuotaTable,
        *,
        clock: Callable[[], float] = time.time,  # seconds since the epoch: which period it is
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._clock = clock
        self._monotonic = monotonic
        self._portions: dict[tuple[str, str], Portion] = {}
        self._owed: dict[CountedPeriod, tuple[int, int]] = {}  # what was used and what returns, of periods left behind
        self._batch: Batch | None = None  # sent, and not known to be written
        self._worker = ""
        self._number = 0
        self._tidy_at = 0.0
        self._has_failed = False
        _BOOKS.add(self)

    def take(self, purses: tuple[Purse, ...], cost: int) -> QuotaOutcome | None:
        """Count *cost* in each of *purses* if all have room. None: a portion has to be leased first, by `acquire`."""
        now = self._clock()
        portions = tuple([self._portion(purse, now) for purse in purses])
        short = [each for each in zip(portions, purses, strict=True) if each[0].left < cost]
        moment = self._monotonic()
        if not short:
            for portion in portions:
                portion.take(cost, moment)
        elif not any(portion.is_exhausted(purse, cost, moment) for portion, purse in short):
            return None
        standings = tuple([one.standing(purse, now) for one, purse in zip(portions, purses, strict=True)])
        return QuotaOutcome(not short, standings, () if short else portions)

    async def acquire(self, purses: tuple[Purse, ...], cost: int) -> QuotaOutcome:
        """Do as `take`, and lease what is needed. Raises LimitsUnavailable where the database cannot be asked."""
        while (outcome := self.take(purses, cost)) is None:
            now, moment = self._clock(), self._monotonic()
            for purse in purses:
                portion = self._portion(purse, now)
                if portion.left < cost and not portion.is_exhausted(purse, cost, moment):
                    await self._leased(portion, purse, cost)
                    break
        return outcome

    def give_back(self, outcome: QuotaOutcome, cost: int) -> QuotaOutcome:
        """Undo a `take` or `acquire`, because something else had no room for the request, and say what is so then."""
        if not outcome.taken_from:
            return outcome
        for portion in outcome.taken_from:
            portion.give_back(cost)
        restored = tuple(one._replace(remaining=one.remaining + cost) for one in outcome.standings)
        return QuotaOutcome(outcome.has_room, restored)

    def forget(self) -> None:
        """Drop all portions, because the database is another one, or they are those of the process forked from."""
        for portion in self._portions.values():
            portion.is_void = True
        self._portions, self._owed, self._batch, self._worker = {}, {}, None, ""

    def _portion(self, purse: Purse, now: float) -> Portion:
        """Find what is held of *purse* in the present period. What was leased under a larger amount returns."""
        key = purse.subject, purse.every
        portion = self._portions.get(key)
        if portion is not None and portion.counted.begins <= now < portion.counted.ends:
            if purse.amount < portion.amount and portion.left:
                self._owe(portion.counted, 0, portion.clear())
            return portion
        if portion is not None:
            portion.is_over = True
            self._owe(portion.counted, portion.report(), portion.clear())
        portion = self._portions[key] = Portion.of(purse, now, self._monotonic())
        return portion

    # -- leasing

    async def _leased(self, portion: Portion, purse: Purse, cost: int) -> None:
        """Wait for one lease. Whoever needs the same portion meanwhile waits for the same."""
        leasing = portion.leasing
        if leasing is None or leasing.done() or leasing.get_loop() is not asyncio.get_running_loop():
            leasing = portion.leasing = asyncio.create_task(self._lease(portion, purse, cost))
            leasing.add_done_callback(_mark_retrieved)
        portion.waiting += cost
        try:
            await asyncio.shield(leasing)  # what it brings is kept, whoever gives up waiting
        except StoreUnavailable as error:
            raise LimitsUnavailable(f"no portion of a quota can be leased: {error}") from error
        finally:
            portion.waiting -= cost

    async def _lease(self, portion: Portion, purse: Purse, cost: int) -> None:
        await asyncio.sleep(0)  # whoever comes in this round of the loop is counted among those that wait
        try:
            least = max(1, cost - portion.left)
            most = max(least, purse.amount // _SHARE, portion.waiting - portion.left)
            async with asyncio.timeout(LEASE_LIMIT):
                lease = await self._table.lease(portion.counted, amount=purse.amount, least=least, most=most)
        except TimeoutError as error:
            raise StoreUnavailable("the database did not answer in time") from error
        finally:
            portion.leasing = None
        if portion.is_over:
            self._owe(portion.counted, 0, lease.granted)
        elif not portion.is_void:
            portion.add(lease, purse, self._monotonic())

    # -- settling

    async def keep(self, *, every: float = EVERY) -> None:
        """Settle every so many seconds until cancelled; then give everything back."""
        try:
            while True:
                await asyncio.sleep(every)
                await self._settle_quietly(IDLE)
        finally:
            await self.drain()

    async def drain(self) -> None:
        """Give back all that is not used. For shutdown, and where a process may stand still after each call."""
        here = asyncio.get_running_loop()
        leasing = [one.leasing for one in self._portions.values() if one.leasing and one.leasing.get_loop() is here]
        await asyncio.gather(*leasing, return_exceptions=True)
        await self._settle_quietly(0.0)

    async def settle(self, idle: float = IDLE) -> None:
        """Report what was used, and give back what was not used for *idle* seconds. Raises StoreUnavailable.

        What is given back is out of reach before it is known to be written, and a batch that may have been written is
        sent again as it was. A database that is away is noticed before, so that what is held can still be used.
        """
        while (batch := self._batch or await self._next_batch(idle)) is not None:
            self._batch = batch
            await self._table.settle(batch)
            self._batch = None if self._batch is batch else self._batch
        if self._worker and self._clock() >= self._tidy_at:
            await self._table.forget(int(self._clock()) - _KEPT)
            self._tidy_at = self._clock() + _TIDY_EVERY

    async def _settle_quietly(self, idle: float) -> None:
        try:
            await self.settle(idle)
        except StoreUnavailable as error:
            if not self._has_failed:
                message = "what is used of quotas is kept in memory until it can be written: %s"
                log.warning(message, error, extra={"event": "quotas_unwritten"})
            self._has_failed = True
        else:
            self._has_failed = False

    async def _next_batch(self, idle: float) -> Batch | None:
        """Ask the database something, and only then take out of the portions what is to be settled."""
        moment = self._monotonic()
        for key, portion in list(self._portions.items()):
            if portion.is_idle(moment, idle) and not (portion.used or portion.left):
                del self._portions[key]
        due = (one.counted for one in self._portions.values() if one.used or one.is_idle(moment, idle))
        some = next(iter(self._owed), None) or next(due, None)
        if some is None:
            return None
        await self._table.used(some)
        return self._batch or self._collect(idle)

    def _collect(self, idle: float) -> Batch:
        """Take out of the portions what is to be settled, as much as fits into one transaction."""
        moment = self._monotonic()
        for portion in self._portions.values():
            if len(self._owed) >= _AT_ONCE:
                break
            if portion.used or portion.is_idle(moment, idle):
                returned = portion.clear() if portion.is_idle(moment, idle) else 0
                self._owe(portion.counted, portion.report(), returned)
        owed, self._owed = self._owed, {}
        settlements = [Settlement(counted, *amounts) for counted, amounts in owed.items()]
        self._worker = self._worker or secrets.token_hex(8)
        self._number += 1
        return Batch(self._worker, self._number, settlements, int(self._clock()))

    def _owe(self, counted: CountedPeriod, used: int, returned: int) -> None:
        before = self._owed.get(counted, (0, 0))
        if used or returned:
            self._owed[counted] = before[0] + used, before[1] + returned


def _mark_retrieved(task: asyncio.Task[None]) -> None:
    """Retrieve the exception of a lease that nobody waits for any more, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()


def _forget_all() -> None:
    for book in list(_BOOKS):
        book.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)  # what was leased is the parent's
