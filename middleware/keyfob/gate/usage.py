"""When and from where each key was last used, and how often per day: one dict write a request, one batch a time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import UTC, date, datetime
from itertools import islice
from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable
from keyfob.store.contract import Use
from keyfob.store.refusals import MOST

if TYPE_CHECKING:
    from keyfob.gate.stats import Stats
    from keyfob.store.contract import UsageSink
    from keyfob.store.refusals import RefusedRequest

log = logging.getLogger("keyfob")

PORTION = 1_000  # keys in one transaction, for which changes to keys wait; and then it is their turn

_DAY = 86_400
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class _Pending:
    """What one key did since the last flush. Counts are per day; nearly always there is one day."""

    __slots__ = ("admitted", "at", "day", "denied", "earlier", "ends", "ip")

    def __init__(self, day: int) -> None:
        self.at = 0.0
        self.ip: str | None = None
        self.earlier: list[tuple[int, int, int]] = []
        self._begin(day)

    def _begin(self, day: int) -> None:
        self.day = day
        self.ends = float((day + 1) * _DAY)  # seconds since the epoch, as the clock gives them
        self.admitted = 0
        self.denied = 0

    def turn_to(self, day: int) -> None:
        """Put the counts of the day that ended aside."""
        self.earlier.append((self.day, self.admitted, self.denied))
        self._begin(day)

    def as_use(self) -> Use:
        use = Use(datetime.fromtimestamp(self.at, UTC) if self.at else None, self.ip)
        for day, admitted, denied in (*self.earlier, (self.day, self.admitted, self.denied)):
            when = date.fromordinal(_EPOCH_DAY + day)
            if admitted:
                use.admitted[when] = use.admitted.get(when, 0) + admitted
            if denied:
                use.denied[when] = use.denied.get(when, 0) + denied
        return use


class Usage:
    """Collects uses in memory, bounded by the number of keys, and hands them to the store in batches."""

    def __init__(self, stats: Stats) -> None:
        """*stats* counts the keys that were written, over all batches."""
        self._stats = stats
        self._pending: dict[str, _Pending] = {}
        self._unwritten: dict[str, Use] = {}
        self._refused: deque[RefusedRequest] = deque(maxlen=MOST)
        self._failed = False
        self._flight: asyncio.Task[None] | None = None

    def note_admitted(self, key_id: str, now: float, ip: str | None) -> bool:
        """The key was admitted at *now* (seconds since the epoch). Answers whether for the first time since a flush."""
        is_first = False
        pending = self._pending.get(key_id)
        if pending is None or pending.ends <= now:
            is_first = pending is None
            pending = self._of_day(key_id, now)
        pending.at = now
        pending.ip = ip
        pending.admitted += 1
        return is_first

    def note_forbidden(self, key_id: str, now: float, ip: str | None) -> None:
        """The key was accepted at *now* (seconds since the epoch), though not for what was asked: a 403."""
        pending = self._of_day(key_id, now)
        pending.at, pending.ip = now, ip
        pending.denied += 1

    def note_refused(self, key_id: str, now: float) -> None:
        """The key was proved but refused: it counts, and its last use stays what it was."""
        self._of_day(key_id, now).denied += 1

    def keep_refused(self, refused: RefusedRequest) -> None:
        """Write *refused* with the next batch, unless `MOST` come after it."""
        self._refused.append(refused)

    def _of_day(self, key_id: str, now: float) -> _Pending:
        day = int(now // _DAY)
        pending = self._pending.get(key_id)
        if pending is None:
            pending = self._pending[key_id] = _Pending(day)
        elif pending.day != day:
            pending.turn_to(day)
        return pending

    async def flush(self, sink: UsageSink) -> None:
        """Write what is pending, `PORTION` keys at a time. What cannot be written is kept. Raises StoreUnavailable."""
        # Taken out before any await, so that two flushes never write the same increments.
        pending, self._pending = self._pending, {}
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
        finally:
            self._take_back(unwritten, pending)
            self._refused = deque((*refused, *self._refused), maxlen=MOST)

    def _take_back(self, unwritten: dict[str, Use], pending: dict[str, _Pending]) -> None:
        """Keep for the next flush what this one has not come to, beside what other flushes have kept meanwhile."""
        newer = self._unwritten
        self._unwritten = unwritten
        for key_id, noted in pending.items():
            unwritten[key_id] = _use_of(unwritten.get(key_id), noted)
        for key_id, use in newer.items():
            unwritten[key_id] = _added(unwritten[key_id], use) if key_id in unwritten else use

    async def keep(self, sink: UsageSink, *, every: float) -> None:
        """Flush every so many seconds until cancelled, as by an event loop that ends; then write all that is left."""
        try:
            while True:
                await asyncio.sleep(every)
                # Shielded: a batch on its way when the server stops is written, and `drain` waits for it.
                self._flight = asyncio.create_task(self._flush_quietly(sink))
                await asyncio.shield(self._flight)
        finally:
            await self.drain(sink)

    async def drain(self, sink: UsageSink) -> None:
        """Write all that is left, after any batch that is on its way. For shutdown."""
        if self._flight is not None and self._flight.get_loop() is asyncio.get_running_loop():
            await asyncio.wait({self._flight})  # which may have been cancelled, with all tasks of a loop that ends
        await self._flush_quietly(sink)

    async def _flush_quietly(self, sink: UsageSink) -> None:
        try:
            await self.flush(sink)
        except StoreUnavailable as broken:
            if not self._failed:
                log.warning(
                    "uses of keys are kept in memory until they can be written: %s",
                    broken,
                    extra={"event": "usage_unwritten"},
                )
            self._failed = True
        else:
            self._failed = False


def _use_of(older: Use | None, noted: _Pending | None) -> Use:
    """One use of what is left from an earlier flush and what was noted since. At least one is there."""
    newer = Use() if noted is None else noted.as_use()
    return newer if older is None else _added(older, newer)


def _added(older: Use, newer: Use) -> Use:
    """One use that says what both say."""
    if newer.last_at is not None and (older.last_at is None or newer.last_at >= older.last_at):
        older.last_at, older.ip = newer.last_at, newer.ip
    for ours, theirs in ((older.admitted, newer.admitted), (older.denied, newer.denied)):
        for day, count in theirs.items():
            ours[day] = ours.get(day, 0) + count
    return older
