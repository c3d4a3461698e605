"""What runs beside the requests: polling for changes, writing usage, and ending what is open with the lease."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any

    from keyfob.connections.registry import OpenConnections
    from keyfob.keyring.active import ActiveKeyring
    from keyfob.propagation.freshness import Freshness
    from keyfob.propagation.worker_registry import WorkerRegistry
    from keyfob.store.contract.key_store import KeyStore


class Background:
    """The tasks of each event loop that answers requests, begun and ended together."""

    def __init__(self, works: Mapping[str, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """*works*: by name, what runs until it is cancelled."""
        self._works = works
        self._tasks: dict[asyncio.AbstractEventLoop, list[asyncio.Task[None]]] = {}

    @property
    def is_here(self) -> bool:
        """Whether the tasks were begun in the running event loop."""
        return asyncio.get_running_loop() in self._tasks

    @property
    def has_lost_its_loop(self) -> bool:
        """Whether an event loop that they were begun in was closed without `end`."""
        return any(loop.is_closed() for loop in list(self._tasks))

    def begin(self) -> None:
        """Begin every task in the running event loop, unless that was done."""
        for loop in list(self._tasks):
            if loop.is_closed():
                self._tasks.pop(loop, None)
        if not self.is_here:
            self._tasks[asyncio.get_running_loop()] = [
                asyncio.create_task(work(), name=f"keyfob-{name}") for name, work in self._works.items()
            ]

    async def end(self) -> None:
        """Cancel them in every event loop, and wait for those of the running one. Can be called again."""
        here = self._tasks.pop(asyncio.get_running_loop(), [])
        for task in here:
            task.cancel()
        while self._tasks:
            loop, tasks = self._tasks.popitem()
            with suppress(RuntimeError):  # it is closed
                for task in tasks:
                    loop.call_soon_threadsafe(task.cancel)
        await asyncio.gather(*here, return_exceptions=True)


async def keep_fresh(
    store: KeyStore,
    freshness: Freshness,
    workers: WorkerRegistry,
    connections: OpenConnections,
    keyring: ActiveKeyring,
    *,
    interval: float,  # seconds
) -> None:
    """Poll for changes, and end what has expired meanwhile. Runs until cancelled."""
    while True:
        await store.wait_for_changes(interval)
        with suppress(StoreUnavailable):
            await freshness.refresh()
            workers.tell(freshness.epoch, freshness.revision)
        connections.review_all(time.time(), keyring.is_retired)
