"""Work for an Argon2 pool that goes on until it is let out, and the name of the threads that do it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = "keyfob-argon2"


class Door:
    """Work that goes on until it is let out, and knows how many went in and how many were in at once."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._lock = threading.Lock()
        self.entered = 0
        self.inside = 0
        self.most_inside = 0

    def __call__(self) -> str:
        with self._lock:
            self.entered += 1
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        self._open.wait()
        with self._lock:
            self.inside -= 1
        return "out"

    def open(self) -> None:
        self._open.set()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does; the suite's time limit ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 (threads cannot set the loop's events)
        await asyncio.sleep(0.001)


def cancelled(*tasks: asyncio.Task[str]) -> asyncio.Future[list[str | BaseException]]:
    for task in tasks:
        task.cancel()
    return asyncio.gather(*tasks, return_exceptions=True)
