"""A bounded thread pool and queue for Argon2id.

Argon2id costs tens of milliseconds and 19 MiB, so it must neither block the event loop nor queue without bound. A call
holds its slot until its *thread* is done, or until it was cancelled before a thread started it: the callback of the
executor's future releases the slot. A caller that disconnects during its hash frees nothing, so reconnecting clients
cannot create more work than the threads can do.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from keyfob.errors import Saturated

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MOST_THREADS = 4  # by default; each computes with 19 MiB
QUEUE_PER_THREAD = 32  # about a second's work
PER_KEY = 2
NICENESS = 10  # above the process's own: the event loop goes first


class Argon2Pool:
    """Runs hashes off the event loop. Serves any number of loops, in parallel or in sequence."""

    def __init__(self, threads: int | None = None, queue: int | None = None) -> None:
        """Compute on *threads* threads (half the cores, at most four); let *queue* more wait (32 for each thread)."""
        count = max(1, min(MOST_THREADS, _cores() // 2)) if threads is None else threads
        self._room = count + (QUEUE_PER_THREAD * count if queue is None else queue)
        self._threads = count
        self._computed = 0
        self.observers: list[Callable[[float], None]] = []  # called with the seconds of each computation, on its thread
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._executor = self._new_executor()
        self._lock = threading.Lock()  # callbacks come from the threads
        self._of_key: Counter[str] = Counter()
        self._admitted = 0

    @property
    def computed(self) -> int:
        """The number of calls that the threads have finished."""
        return self._computed

    @property
    def admitted(self) -> int:
        """The number of calls that are queued or running."""
        return self._admitted

    async def run(self, fn: Callable[[*Ts], T], *args: *Ts, key_id: str | None = None) -> T:
        """Call *fn* on a thread and return its result.

        At most two calls for one *key_id* are admitted at a time. A third is rejected instead of queued: calls for the
        same key text share one check, so a third comes from somebody who guesses secrets, and must not fill the queue.

        Raises:
            Saturated: the queue is full, in total or for this key, or the pool is closed.

        """
        future = self._admit(fn, args, key_id)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self._closed and future.cancelled() and not _is_cancelled():
                raise Saturated("the pool was closed before this was computed") from None
            raise

    def open(self) -> None:
        """Serve again after `close`. Does nothing if the pool is open."""
        with self._lock:
            if self._closed:
                self._executor = self._new_executor()
                self._closed = False

    def _new_executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, "keyfob-argon2", initializer=_step_back)

    def close(self) -> None:
        """Cancel queued calls and wait for the threads to end (the duration of one hash). Can be called again."""
        with self._lock:
            self._closed = True
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _admit(self, fn: Callable[[*Ts], T], args: tuple[*Ts], key_id: str | None) -> Future[T]:
        if self._pid != os.getpid():  # a fork inherits neither the threads nor what they were doing
            self._begin()
        with self._lock:
            if self._closed or self._admitted >= self._room or (key_id is not None and self._of_key[key_id] >= PER_KEY):
                raise Saturated("too many Argon2id checks are waiting")
            future = self._executor.submit(self._timed, fn, args)
            self._admitted += 1
            if key_id is not None:
                self._of_key[key_id] += 1
        # Outside the lock: if the thread is done already, the callback runs immediately, in this thread.
        future.add_done_callback(lambda done: self._release(done, key_id))
        return future

    def _timed(self, fn: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
        began = time.perf_counter()
        try:
            return fn(*args)
        finally:
            took = time.perf_counter() - began
            for observer in self.observers:
                observer(took)

    def _release(self, done: Future[T], key_id: str | None) -> None:
        with self._lock:
            self._admitted -= 1
            self._computed += not done.cancelled()
            if key_id is not None:
                self._of_key[key_id] -= 1
                if not self._of_key[key_id]:
                    del self._of_key[key_id]


def _is_cancelled() -> bool:
    """Whether the running task itself was cancelled, rather than the future it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _step_back() -> None:
    """Lower the priority of the calling thread. Only Linux has a niceness per thread."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # a sandbox may forbid it; then hashes run at normal priority
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS))
