"""When and from where each key was last used, and how often per day: one dict write a request, one batch a time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable
from keyfob.gate.pending_use import Budget, PendingUse, added
from keyfob.store.contract.key_store import Use
from keyfob.store.contract.refusals import MOST
from keyfob.store.contract.use_details import fold

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import date

    from keyfob.gate.pending_use import Keeper
    from keyfob.gate.stats import Stats
    from keyfob.rules.rule import Rule
    from keyfob.store.contract.key_store import UsageSink
    from keyfob.store.contract.refusals import RefusedRequest

log = logging.getLogger("keyfob")

PORTION = 1_000  # keys in one transaction, for which changes to keys wait; and then it is their turn

_DAY = 86_400
MOST_DETAILS = 200_000  # told apart in memory, over all keys; beyond them each key's addresses are told as one


class Usage:
    """Collects uses in memory, bounded by the number of keys, and hands them to the store in batches."""

    def __init__(self, stats: Stats, *, days: int = 90) -> None:
        """*stats* counts the keys that were written, over all batches. Details are kept for so many *days*."""
        self._stats = stats
        self._days = days
        self._tidied: date | None = None
        self._pending: dict[str, PendingUse] = {}
        self._budget = Budget(MOST_DETAILS)
        self._unwritten: dict[str, Use] = {}
        self._refused: deque[RefusedRequest] = deque(maxlen=MOST)
        self._failed = False
        self.failures = 0  # batches that could not be written
        self.writers: list[Callable[[], Awaitable[None]]] = []  # called with each batch; may raise StoreUnavailable
        self.observers: list[Callable[[], None]] = []  # called after each batch
        self._flight: asyncio.Task[None] | None = None

    def note_admitted(
        self, key_id: str, now: float, ip: str | None, rule: Rule | str | None = None, *, keeper: Keeper | None = None
    ) -> bool:
        """The key was admitted at *now* (seconds since the epoch). Answers whether for the first time since a flush.

        *keeper* is lent the cell, to count the next requests that are like this one.
        """
        is_first = key_id not in self._pending
        self._of_day(key_id, now).count(rule, ip, "", now, is_use=True, keeper=keeper)
        return is_first

    def note_denied(
        self,
        key_id: str,
        now: float,
        ip: str | None,
        rule: Rule | None,
        reason: str,
        *,
        is_use: bool,
        keeper: Keeper | None = None,
    ) -> None:
        """The key was proved at *now* (seconds since the epoch), and what was asked was denied.

        *is_use*: the key itself was accepted, so that the request is its last use: a 403. *keeper*: as `note_admitted`.
        """
        self._of_day(key_id, now).count(rule, ip, reason, now, is_use=is_use, keeper=keeper)

    def keep_refused(self, refused: RefusedRequest) -> None:
        """Write *refused* with the next batch, unless `MOST` come after it."""
        self._refused.append(refused)

    def _of_day(self, key_id: str, now: float) -> PendingUse:
        day = int(now // _DAY)
        pending = self._pending.get(key_id)
        if pending is None:
            pending = self._pending[key_id] = PendingUse(day, self._budget)
        elif pending.day != day:
            pending.turn_to(day)
        return pending

    async def flush(self, sink: UsageSink) -> None:
        """Write what is pending, `PORTION` keys at a time. What cannot be written is kept. Raises StoreUnavailable."""
        # Taken out before any await, so that two flushes never write the same increments.
        pending, self._pending = self._pending, {}
        self._budget = Budget(MOST_DETAILS)
        unwritten, self._unwritten = self._unwritten, {}
        refused, self._refused = self._refused, deque(maxlen=MOST)
        ids = sorted(pending.keys() | unwritten.keys())  # neighbours in the tables are written together
        try:
            for start in range(0, len(ids), PORTION):
                portion = {
                    key_id: _use_of(unwritten.pop(key_id, None), pending.pop(key_id, None))
                    for key_id in ids[start : start + PORTION]
                }
                try:
                    await sink.add_usage(portion)
                except StoreUnavailable:
                    unwritten |= portion
                    raise
                self._stats.usage_writes += len(portion)
            while refused:
                await sink.refusals.add(list(islice(refused, PORTION)))
                for _ in range(min(PORTION, len(refused))):
                    refused.popleft()
            for write in self.writers:
                await write()
        finally:
            self._take_back(unwritten, pending)
            self._refused = deque((*refused, *self._refused), maxlen=MOST)

    def _take_back(self, unwritten: dict[str, Use], pending: dict[str, PendingUse]) -> None:
        """Keep for the next flush what this one has not come to, beside what other flushes have kept meanwhile."""
        newer = self._unwritten
        self._unwritten = unwritten
        for key_id, noted in pending.items():
            unwritten[key_id] = _use_of(unwritten.get(key_id), noted)
        for key_id, use in newer.items():
            unwritten[key_id] = added(unwritten[key_id], use) if key_id in unwritten else use
        if sum(len(use.details) for use in unwritten.values()) > MOST_DETAILS:
            for use in unwritten.values():
                use.details = fold(use.details, 0)

    async def keep(self, sink: UsageSink, *, every: float) -> None:
        """Flush every so many seconds until cancelled, as by an event loop that ends; then write all that is left."""
        try:
            while True:
                await asyncio.sleep(every)
                # Shielded: a batch on its way when the server stops is written, and `drain` waits for it.
                self._flight = asyncio.create_task(self._flush_quietly(sink, tidies=True))
                await asyncio.shield(self._flight)
        finally:
            await self.drain(sink)

    async def drain(self, sink: UsageSink) -> None:
        """Write all that is left, after any batch that is on its way. For shutdown."""
        if self._flight is not None and self._flight.get_loop() is asyncio.get_running_loop():
            await asyncio.wait({self._flight})  # which may have been cancelled, with all tasks of a loop that ends
        await self._flush_quietly(sink)

    async def tidy(self, sink: UsageSink, today: date) -> None:
        """Delete details that are too old, once a day. Raises StoreUnavailable."""
        if self._tidied != today:
            await sink.use_details.forget(today - timedelta(days=self._days - 1))
            self._tidied = today

    async def _flush_quietly(self, sink: UsageSink, *, tidies: bool = False) -> None:
        try:
            await self.flush(sink)
            if tidies:
                await self.tidy(sink, datetime.now(UTC).date())
        except StoreUnavailable as broken:
            if not self._failed:
                log.warning(
                    "uses of keys are kept in memory until they can be written: %s",
                    broken,
                    extra={"event": "usage_unwritten"},
                )
            self._failed = True
            self.failures += 1
        else:
            self._failed = False
        for observer in self.observers:
            observer()


def _use_of(older: Use | None, noted: PendingUse | None) -> Use:
    """One use of what is left from an earlier flush and what was noted since. At least one is there."""
    newer = Use() if noted is None else noted.as_use()
    return newer if older is None else added(older, newer)
