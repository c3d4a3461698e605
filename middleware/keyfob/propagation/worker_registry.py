"""Keeps this process in the store's list of workers, and acknowledges a revision when somebody waits for it.

It sits between `keyfob.propagation.freshness` and the store, and follows one rule: **register, then read**. A process
registers before it reads what it will rely on. So a process that changes a key and then reads the list finds every
worker that may still rely on the old state. A worker that was silent for as long as its lease may have been
deregistered; it registers again during its next read, because requests wait for that read.
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
from keyfob.store.contract.workers import NOTHING, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keyfob.store.contract.counter import Counter
    from keyfob.store.contract.key_store import ChangeFeed, Changes
    from keyfob.store.contract.workers import WorkerList

log = logging.getLogger("keyfob")

HEARTBEAT = 60.0  # seconds between writes that only show that this worker is alive
PAUSE = 1.0  # seconds before a failed write is retried
_ENTRY_LIMIT = 0.4  # seconds that a read waits for its registration; both together must stay below two
_ENTRY_SHARE = 0.25  # and at most this share of a short lease, because requests need the rest of it
_WRITE_LIMIT = 5.0  # seconds


class WorkerRegistry:
    """A `keyfob.store.contract.key_store.ChangeFeed` over *feed* that maintains this process's row in *workers*."""

    def __init__(
        self,
        feed: ChangeFeed,
        workers: WorkerList,
        *,
        lease: float,  # seconds for which this process may rely on its last read
        clock: Callable[[], float] = boot_clock,
        fingerprints: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """*fingerprints* returns the fingerprints of this process's current signing keys."""
        self._feed = feed
        self._workers = workers
        self._lease = lease
        self._entry_limit = min(_ENTRY_LIMIT, lease * _ENTRY_SHARE)
        self._clock = clock
        self._fingerprints = fingerprints
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
        """The store's change signal."""
        return self._feed.change_signal

    async def changes(self, since: int | None) -> Changes:
        """Read the changes; a process that begins to serve registers first."""
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
        """Mark that this process answers requests from now on. Can be called again."""
        if self._pid != os.getpid():  # a forked process is another worker
            self._pid, self._id, self._is_entered = os.getpid(), secrets.token_hex(8), False
        self._serves = True

    def tell(self, epoch: str | None, revision: int) -> None:
        """Report that this process has applied *revision*, if somebody waits for it or the heartbeat is due."""
        self._applied = epoch or "", revision
        if self._is_due():
            self._say()

    async def leave(self) -> None:
        """Deregister, because this process stops serving."""
        self._serves = False  # first, so that a read which goes on meanwhile does not begin to say anything
        flight, self._flight = self._flight, None
        if flight is not None and flight.get_loop() is asyncio.get_running_loop():
            await asyncio.gather(flight, return_exceptions=True)
        if self._is_entered:
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self._workers.remove(self._id)
        self._is_entered, self._read_at, self._beat_at = False, None, 0.0

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
        """Try once to register before the next read; a process that cannot write serves nevertheless."""
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
                log.warning("this worker cannot confirm changes: %s", broken, extra={"event": "worker_unregistered"})
            self._failed = True
        else:
            self._failed = False

    async def _put(self) -> None:
        self._is_entered = True  # even if the write may have failed
        epoch, revision = self._applied
        signal, keyring = self._workers.signal_id, tuple(self._fingerprints())
        now = datetime.now(UTC)
        host = socket.gethostname()
        await self._workers.put(Worker(self._id, host, self._lease, epoch, revision, now, signal or "", keyring))
        self._told, self._told_signal = (epoch, revision), signal
        self._beat_at = self._clock() + HEARTBEAT

    async def _deregister_the_dead(self) -> None:
        """Deregister, once per process, workers that have been silent since it started and whose lease has run out."""
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
