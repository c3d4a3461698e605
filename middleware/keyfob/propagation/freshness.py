"""Decides whether a cached answer may still be used.

Two conditions must hold. The *lease*: all changes were read, in one snapshot, by a poll that began at most
``max_staleness`` seconds ago. So no request admitted after *c* + ``max_staleness`` misses a change committed at *c*,
through stalls and lost notifications. The *change signal*: its number is the one that was read before the last poll. So
on one host a change is in force as soon as its call has returned.

The order in `Freshness._read` makes this correct: read the change signal and the clock, then read the store in a
snapshot that begins later, then merge, and only then record the signal and the clock.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

from keyfob.errors import StoreUnavailable
from keyfob.store.contract.counter import OwnCounter

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.store.contract.counter import Counter
    from keyfob.store.contract.key_store import ChangeFeed, Changes

log = logging.getLogger("keyfob")

# A monotonic clock that includes suspend, so that a laptop wakes up without a lease.
boot_clock: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)

_ROUNDS = 32  # refreshes one request may wait for while others keep changing keys
_SLOWEST_READ = 2.0  # seconds; a store that takes longer is answered 503


class Merging(Protocol):
    """Applies changes. Neither method may await, so that no request sees only part of them."""

    def merge(self, changes: Changes) -> None:
        """Replace older states."""
        ...

    def forget(self) -> None:
        """Drop every cached answer, because the database has another history."""
        ...


class Freshness:
    """Tracks the revision that this process has read, and how long it may rely on it."""

    def __init__(
        self,
        feed: ChangeFeed,
        merging: Merging,
        *,
        max_staleness: float,  # seconds; the longest that a revoked key can pass on another host
        max_stale_on_outage: float = 0.0,  # seconds added while the store cannot be read
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self._feed = feed
        self._merging = merging
        self._max_staleness = max_staleness
        self._outage_allowance = max_stale_on_outage
        self._clock = clock
        self._change_signal: Counter = OwnCounter()
        self._seen: object = -1
        self._began = 0.0
        self._until = -1.0
        self._flight: asyncio.Task[None] | None = None
        self._failed = False
        self.failures = 0  # polls that failed
        self._behind = 0
        self.revision = -1
        self.epoch: str | None = None

    def is_current(self) -> bool:
        """Whether a cached answer is still valid. Every request makes these two comparisons."""
        try:
            # A clock that went back would extend the lease, so the start of the lease is checked, too.
            return self._change_signal.read() == self._seen and self._began <= self._clock() <= self._until
        except OSError:
            return False

    def may_serve(self) -> bool:
        """Whether a cached answer may be used: it is current, or stale within the allowance for an outage."""
        return self.is_current() or self._may_serve_stale()

    def lease_remaining(self) -> float:
        """The seconds for which connections may stay open if the store does not answer again; 0 or less: none.

        A changed signal alone closes nothing, because a read will follow. But it ends the allowance for an outage.
        """
        now = self._clock()
        if now < self._began:
            return 0.0
        is_changed = _shown(self._change_signal) != self._seen
        return self._until + (0.0 if is_changed else self._outage_allowance) - now

    @property
    def staleness(self) -> float:
        """The seconds since the newest changes that are known were read; 0 before the first read."""
        return 0.0 if self.epoch is None else max(0.0, self._clock() - self._began)

    def believed_until(self) -> float:
        """Until when, on this clock, a refusal that was read now may be reused without a new read."""
        return self._clock() + self._max_staleness

    def believes(self, until: float) -> bool:
        """Whether *until* is in the future."""
        return 0 < until - self._clock() <= self._max_staleness

    async def ensure(self) -> None:
        """Return once cached answers may be used. Raises StoreUnavailable."""
        for _ in range(_ROUNDS):
            if self.may_serve():
                return
            try:
                await self.refresh()
            except StoreUnavailable:
                if not self.may_serve():
                    raise
        if not self.may_serve():
            msg = "changes came faster than they could be read"
            raise StoreUnavailable(msg)

    async def refresh(self) -> None:
        """Read the changes. Concurrent callers share one read."""
        flight = self._flight
        if flight is None or flight.done() or flight.get_loop() is not asyncio.get_running_loop():
            flight = self._flight = asyncio.create_task(self._read())
            flight.add_done_callback(_mark_retrieved)
        await asyncio.shield(flight)

    async def _read(self) -> None:
        feed = self._feed
        try:
            async with asyncio.timeout(_SLOWEST_READ):
                seen, began = _shown(feed.change_signal), self._clock()
                changes = await feed.changes(self.revision if self.epoch is not None else None)
        except TimeoutError as slow:
            self._note_failure("no answer in time")
            msg = "the store did not answer in time"
            raise StoreUnavailable(msg) from slow
        except StoreUnavailable as broken:
            self._note_failure(broken)
            raise
        self._apply(changes)
        self._watch_signal(_shown(feed.change_signal), changes.revision)
        self._change_signal, self._seen = feed.change_signal, seen
        self._began, self._until = began, began + self._max_staleness
        if self._failed:
            self._failed = False
            log.warning("the store answers again", extra={"event": "store_available"})

    def _apply(self, changes: Changes) -> None:
        is_other_history = changes.epoch != self.epoch or changes.revision < self.revision
        if is_other_history:
            if self.epoch is not None:
                log.warning(
                    "the database was replaced or restored: every cached answer is dropped",
                    extra={"event": "database_replaced"},
                )
            self._merging.forget()
        elif changes.too_many:
            self._merging.forget()
        self.epoch, self.revision = changes.epoch, changes.revision
        self._merging.merge(changes)

    def _may_serve_stale(self) -> bool:
        if not self._failed or self._outage_allowance <= 0 or _shown(self._change_signal) != self._seen:
            return False
        return self._began <= self._clock() <= self._until + self._outage_allowance

    def _note_failure(self, why: object) -> None:
        self.failures += 1
        if not self._failed:
            self._failed = True
            log.warning("the store cannot be read: %s", why, extra={"event": "store_unavailable"})

    def _watch_signal(self, seen: object, revision: int) -> None:
        number = int.from_bytes(seen, sys.byteorder) if isinstance(seen, bytes) else seen
        # A writer that has committed but not published yet is normal for an instant, not for three polls.
        self._behind = self._behind + 1 if isinstance(number, int) and 0 < number < revision else 0
        if self._behind == 3:  # noqa: PLR2004
            log.warning(
                "the change signal stays behind: revocation takes up to %s s on this host",
                self._max_staleness,
                extra={"event": "change_signal_behind"},
            )


def _shown(signal: Counter) -> object:
    """What *signal* shows; where it cannot be read, something that it never showed and never will."""
    try:
        return signal.read()
    except OSError:
        return object()


def _mark_retrieved(flight: asyncio.Task[None]) -> None:
    # If all callers were cancelled, asyncio would report an exception that was never retrieved.
    if not flight.cancelled():
        flight.exception()
