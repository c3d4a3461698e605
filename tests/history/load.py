"""Requests on many open connections to real workers, while keys are switched off and on; everything is written down."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Self

from tests.history.checker import Event, What

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator

    from keyfob.testing import Installation, Issued

CONNECTIONS = 2  # to each worker
_KEYS = 8
_TO_THE_VICTIM = 0.7  # of all requests; the rest go to the other keys, so that all of them stay warm
_MOST_CONNECTIONS = 400  # tried, until every worker has taken enough


@contextmanager
def _paused(pids: Iterable[int]) -> Iterator[None]:
    """Stop the processes *pids* meanwhile: the kernel may give one of several waiting workers every connection."""
    stopped = tuple(pids)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


class Caller:
    """One connection that stays open, and so always reaches the same worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.worker = 0
        self.admitted = 0.0  # when the newest request for the victim that was admitted began
        self.answered = 0.0  # when the newest one that was answered at all began

    @classmethod
    async def connected(cls, port: int) -> Self:
        caller = cls(*await asyncio.open_connection("127.0.0.1", port))
        _, body = await caller.ask("GET /_/stats")
        caller.worker = json.loads(body)["pid"]
        return caller

    async def ask(self, line: str, key: str | None = None) -> tuple[int, bytes]:
        """Send one request; the status and the body of its answer."""
        header = "" if key is None else f"Authorization: Bearer {key}\r\n"
        self._writer.write(f"{line} HTTP/1.1\r\nHost: history.test\r\n{header}\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        return int(head[9:12]), await self._reader.readexactly(int(length))

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


class Load:
    """What goes on at one server of several workers over the installation *here*."""

    def __init__(self, here: Installation, port: int, workers: int) -> None:
        self.log: list[Event] = []
        self._here = here
        self._port = port
        self._workers = workers
        self._numbers = count(1)
        self._rng = random.Random(4)  # noqa: S311 - which key a request carries is no secret
        self._keys: list[Issued] = []
        self._victim: Issued
        self._wait_for_changes = asyncio.Event()

    async def revoke(self, rounds: int) -> list[Event]:
        """Switch a key off and on *rounds* times under load, by turns from here and from within each worker."""
        by_worker = await self._connect()
        callers = [caller for of_worker in by_worker.values() for caller in of_worker[:CONNECTIONS]]
        writers = [of_worker[CONNECTIONS] for of_worker in by_worker.values()]
        self._keys = [await self._here.issue("items:read") for _ in range(_KEYS)]
        self._victim = self._keys[0]
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(self._keep_asking(caller)) for caller in callers]
            for turn in range(rounds):
                self._victim = self._keys[turn % _KEYS]
                writer = [None, *writers][turn % (len(writers) + 1)]
                await self._off_and_on(self._victim, callers, writer)
            for task in asking:
                task.cancel()
        for caller in {*callers, *writers}.union(*by_worker.values()):
            await caller.close()
        return self.log

    async def _off_and_on(self, victim: Issued, callers: list[Caller], writer: Caller | None) -> None:
        began = time.monotonic()
        while min(caller.admitted for caller in callers) < began:  # until every connection found the key warm
            await self._next_answer()
        await self._switch(victim, What.DISABLE_CALLED, What.DISABLE_RETURNED, writer)
        began = time.monotonic()
        while min(caller.answered for caller in callers) < began:  # until every connection has tried it since
            await self._next_answer()
        await self._switch(victim, What.ENABLE_CALLED, What.ENABLE_RETURNED, writer)

    async def _next_answer(self) -> None:
        self._wait_for_changes.clear()
        await self._wait_for_changes.wait()

    async def _switch(self, key: Issued, called: What, returned: What, writer: Caller | None) -> None:
        is_off = called is What.DISABLE_CALLED
        change: Awaitable[object]
        if writer is None:
            change = self._here.disable(key) if is_off else self._here.enable(key)
        else:
            change = writer.ask(f"POST /_/switch/{'off' if is_off else 'on'}/{key.record.id}")
        self.log.append(Event(time.monotonic(), called, key.record.id))
        answer = await change
        self.log.append(Event(time.monotonic(), returned, key.record.id))
        assert answer is None or answer == (200, b"done")

    async def _keep_asking(self, caller: Caller) -> None:
        while True:
            is_victim = self._rng.random() < _TO_THE_VICTIM
            key = self._victim if is_victim else self._rng.choice(self._keys)
            number, started = next(self._numbers), time.monotonic()
            status, _ = await caller.ask("GET /items", key.text)
            answered = time.monotonic()
            self.log.append(Event(started, What.REQUEST_STARTED, key.record.id, number))
            self.log.append(Event(answered, What.REQUEST_ANSWERED, key.record.id, number, status, caller.worker))
            if key is self._victim:
                caller.answered = started
                caller.admitted = started if status == 200 else caller.admitted
            self._wait_for_changes.set()

    async def _connect(self) -> dict[int, list[Caller]]:
        """Open connections until every worker has its share, and one for changes."""
        by_worker: dict[int, list[Caller]] = {}
        for _ in range(_MOST_CONNECTIONS):
            with _paused(pid for pid, callers in by_worker.items() if len(callers) > CONNECTIONS):
                caller = await Caller.connected(self._port)
            by_worker.setdefault(caller.worker, []).append(caller)
            if len(by_worker) == self._workers and min(map(len, by_worker.values())) > CONNECTIONS:
                return by_worker
        for caller in set().union(*by_worker.values()):
            await caller.close()
        raise AssertionError(f"not every worker takes connections: { {pid: len(of) for pid, of in by_worker.items()} }")
