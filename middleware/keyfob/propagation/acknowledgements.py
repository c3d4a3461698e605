"""Waits until every worker has acknowledged a change, or its lease has run out.

No other process's clock is read. A worker relies on a read for at most its lease, and every read that missed the change
began before this wait. So once the wait has lasted as long as the lease, the worker can no longer serve the old state.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable
from keyfob.propagation.freshness import boot_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from keyfob.store.contract.workers import Worker, WorkerList

INTERVAL = 0.05  # seconds between reads of the list
GRACE = 0.2  # seconds beyond its lease in which a worker that has just read may still acknowledge
_LOOK_LIMIT = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """One worker's acknowledgement. Without *confirmed_at* the worker has stopped, or its lease has run out."""

    id: str
    host: str
    confirmed_at: datetime | None  # by the clock of the process that waited, when it read the acknowledgement


class AcknowledgementWait:
    """Asks all workers to acknowledge a revision, and waits for them."""

    def __init__(
        self,
        workers: WorkerList,
        *,
        lease: float,  # seconds for which a worker of this installation may rely on its last read
        now: Callable[[], datetime],
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self._workers = workers
        self._lease = lease
        self._now = now
        self._clock = clock

    async def wait_for(self, revision: int) -> tuple[Answer, ...]:
        """Return when each worker has confirmed the committed *revision*, or its lease has run out since.

        Raises:
            StoreUnavailable: the list of workers could not be read.
        """
        began = self._clock()
        known: dict[str, Worker] = {}
        confirmed: dict[str, datetime] = {}
        present: Sequence[Worker] | None = await self._request(revision)
        while True:
            waited = self._clock() - began
            for worker in present or ():
                known.setdefault(worker.id, worker)  # also a worker that returned with an old state meanwhile
                if worker.revision >= revision:
                    confirmed.setdefault(worker.id, self._now())
            silent = [worker for worker in known.values() if worker.id not in confirmed]
            left = set() if present is None else known.keys() - {worker.id for worker in present}
            if all(worker.id in left or worker.lease + GRACE <= waited for worker in silent):
                break
            await asyncio.sleep(INTERVAL)
            present = await self._read_list()
        await self._deregister(silent)
        return tuple(Answer(worker.id, worker.host, confirmed.get(worker.id)) for worker in known.values())

    async def _request(self, revision: int) -> Sequence[Worker]:
        try:
            async with asyncio.timeout(self._lease + GRACE):
                while True:
                    with suppress(StoreUnavailable):
                        await self._workers.request_acknowledgement(revision)
                        return await self._workers.all()
                    await asyncio.sleep(INTERVAL)
        except TimeoutError as error:
            raise StoreUnavailable("the change is made, but the workers cannot be asked; try again") from error

    async def _read_list(self) -> Sequence[Worker] | None:
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_LOOK_LIMIT):
                return await self._workers.all()
        return None

    async def _deregister(self, silent: Sequence[Worker]) -> None:
        """Deregister workers that did not answer, so that nobody waits for them again. A live one registers again."""
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_LOOK_LIMIT):
                for worker in silent:
                    await self._workers.remove(worker.id, worker.seen_at)
