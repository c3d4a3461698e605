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
    """The tasks of one event loop, begun and ended together."""

    def __init__(self, works: Mapping[str, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """*works*: by name, what runs until it is cancelled."""
        self._works = works
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_here(self) -> bool:
        """Whether the tasks were begun in the running event loop."""
        return self._loop is asyncio.get_running_loop()

    @property
    def has_lost_its_loop(self) -> bool:
        """Whether the event loop that they were begun in was closed without `end`."""
        return self._loop is not None and self._loop.is_closed()

    def begin(self) -> None:
        """Begin every task in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._tasks = [asyncio.create_task(work(), name=f"keyfob-{name}") for name, work in self._works.items()]

    async def end(self) -> None:
        """Cancel those of the running event loop, and wait for them. Can be called again."""
        tasks = [task for task in self._tasks if task.get_loop() is asyncio.get_running_loop()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks, self._loop = [], None


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
