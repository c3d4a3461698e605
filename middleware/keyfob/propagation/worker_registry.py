"""Keeps this process in the store's list of workers, where it says what it has applied when somebody waits for that.

It stands between `keyfob.propagation.freshness` and the store, and holds one rule: **enter, then read**. A process that
begins to serve enters itself, and only then reads what it will judge by. So whoever changes a key and looks at the list
afterwards finds every worker that may still judge by what was before. One that was silent for as long as its lease may
have been deregistered; it enters again while it reads, because the read is what requests wait for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable
from keyfob.propagation.freshness import boot_clock
from keyfob.store.workers import NOTHING, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keyfob.store.contract import ChangeFeed, Changes, Counter
    from keyfob.store.workers import WorkerList

log = logging.getLogger("keyfob")

HEARTBEAT = 60.0  # seconds between words that say only that this worker lives
PAUSE = 1.0  # seconds until what could not be written is tried again
_ENTRY_LIMIT = 0.4  # seconds that a read waits for the entry before it; together they must stay below two
_ENTRY_SHARE = 0.25  # and that much of a short lease at most: what is left of it is what requests are judged in
_WRITE_LIMIT = 5.0  # seconds


class WorkerRegistry:
    """A `keyfob.store.contract.ChangeFeed` over *feed* that takes care of this process's row in *workers*."""

    def __init__(
        self,
        feed: ChangeFeed,
        workers: WorkerList,
        *,
        lease: float,  # seconds that this process may judge by what it read last
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self._feed = feed
        self._workers = workers
        self._lease = lease
        self._entry_limit = min(_ENTRY_LIMIT, lease * _ENTRY_SHARE)
        self._clock = clock
        self._serves = False
        self._is_entered = False
        self._read_at: float | None = None
        self._requested_revision = 0
        self._applied = ("", NOTHING)
        self._told = ("", NOTHING)
        self._told_signal: str | None = None
        self._beat_at = 0.0
        self._paused_until = 0.0
        self._failed = False
        self._flight: asyncio.Task[None] | None = None
        self._others: Sequence[Worker] | None = None
        self._others_at = 0.0
        self._pid, self._id = os.getpid(), secrets.token_hex(8)

    @property
    def change_signal(self) -> Counter:
        """The store's."""
        return self._feed.change_signal

    async def changes(self, since: int | None) -> Changes:
        """Read what changed; a process that begins to serve enters itself first."""
        began = self._clock()
        was_silent = self._read_at is not None and not 0 <= began - self._read_at <= self._lease
        if self._serves and was_silent:
            self._say()
        changes = await self._feed.changes(since)
        if self._serves and was_silent and self._flight is not None:
            await asyncio.wait({self._flight}, timeout=self._entry_limit)
        if self._serves and not self._is_entered:
            await self._enter()
            changes = await self._feed.changes(since)
        self._read_at, self._requested_revision = began, changes.requested_revision
        return changes

    def serve(self) -> None:
        """From now on this process judges requests. Can be called again."""
        if self._pid != os.getpid():  # what was forked is a worker of its own
            self._pid, self._id, self._is_entered = os.getpid(), secrets.token_hex(8), False
        self._serves = True

    def tell(self, epoch: str | None, revision: int) -> None:
        """Say that this process has applied *revision*, if somebody waits for that or nothing was said for long."""
        self._applied = epoch or "", revision
        if self._is_due():
            self._say()

    async def leave(self) -> None:
        """This process serves no more: strike it off."""
        flight, self._flight = self._flight, None
        if flight is not None and flight.get_loop() is asyncio.get_running_loop():
            await asyncio.gather(flight, return_exceptions=True)
        if self._is_entered:
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self._workers.remove(self._id)
        self._serves, self._is_entered, self._read_at, self._beat_at = False, False, None, 0.0

    def _say(self) -> None:
        flight = self._flight
        if flight is None or flight.done() or flight.get_loop() is not asyncio.get_running_loop():
            self._flight = asyncio.create_task(self._tell(), name="keyfob-worker")

    def _is_due(self) -> bool:
        now = self._clock()
        if now < self._paused_until:
            return False
        is_news = self._told[0] != self._applied[0] or self._told_signal != self._workers.signal_id
        return is_news or now >= self._beat_at or self._is_asked()

    def _is_asked(self) -> bool:
        return self._told[1] < self._requested_revision <= self._applied[1]

    async def _enter(self) -> None:
        """Try once to be in the list before the next read; who cannot write there serves all the same."""
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(self._entry_limit):
                await self._put()

    async def _tell(self) -> None:
        try:
            async with asyncio.timeout(_WRITE_LIMIT):
                await self._put()
                await self._deregister_the_dead()
        except (StoreUnavailable, TimeoutError) as broken:
            self._paused_until = self._clock() + PAUSE
            if not self._failed:
                log.warning("nobody can be told what this worker has applied: %s", broken)
            self._failed = True
        else:
            self._failed = False

    async def _put(self) -> None:
        self._is_entered = True  # also if it cannot be told whether it was written
        epoch, revision = self._applied
        signal = self._workers.signal_id
        now = datetime.now(UTC)
        await self._workers.put(Worker(self._id, socket.gethostname(), self._lease, epoch, revision, now, signal or ""))
        self._told, self._told_signal = (epoch, revision), signal
        self._beat_at = self._clock() + HEARTBEAT

    async def _deregister_the_dead(self) -> None:
        """Once in its life a worker deregisters those that stayed silent since it came and whose lease ran out."""
        now = self._clock()
        if self._others is None:
            self._others, self._others_at = await self._workers.all(), now
            return
        silent_for = now - self._others_at - 3 * HEARTBEAT
        if not self._others or silent_for < 0:
            return
        present = {worker.id: worker.seen_at for worker in await self._workers.all()}
        for other in self._others:
            if other.lease < silent_for and present.get(other.id) == other.seen_at:
                await self._workers.remove(other.id, other.seen_at)
        self._others = [other for other in self._others if other.lease >= silent_for]
