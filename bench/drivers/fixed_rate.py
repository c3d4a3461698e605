"""Asks at a fixed rate, whatever the answers do: ``python -m bench.drivers.fixed_rate``.

Reads one JSON object from standard input (``port``, ``rate``, ``seconds``, ``requests``, ``connections``) and prints
one. A request's time counts from the moment it was due, so that a server that stalls is charged for all who wait.
Where every connection is waiting for an answer, what is due waits for the first that is free, if ``patient``, or else
is not sent at all: ``reached`` is the rate there was.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter, deque
from typing import Any

from bench.drivers import quantile
from bench.drivers.http_wire import Connection

PATIENCE = 5.0  # seconds after the last request; what is not answered by then counts as that long
_TICK = 0.001


class Pace:
    """The requests that are due, the connections that are free, and what came of them."""

    def __init__(self, port: int, requests: list[str], connections: int) -> None:
        self._port = port
        self._requests = [request.encode() for request in requests]
        self._most = connections
        self._free: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._connections = 0
        self._late: deque[float] = deque()  # when requests were due for which there was no connection
        self.took: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.sent = 0

    async def open(self) -> None:
        """Open one more connection."""
        self._connections += 1
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self._answered, self._lost), "127.0.0.1", self._port
            )
        except OSError:
            return
        finally:
            self._connections -= 1
        self._open.add(connection)
        self._free.append(connection)
        self._catch_up()

    def ask(self, due: float, *, patient: bool) -> None:
        """Send the next request, if a connection is free."""
        if patient:
            self._late.append(due)
            self._catch_up()
        elif self._free:
            self._send(due)

    def _catch_up(self) -> None:
        while self._free and self._late:
            self._send(self._late.popleft())

    def _send(self, due: float) -> None:
        self._free.popleft().ask(self._requests[self.sent % len(self._requests)], due)
        self.sent += 1

    def close(self) -> None:
        """Close all, and charge what was not answered."""
        self.took += [PATIENCE] * len(self._late)
        for connection in list(self._open):
            if connection.is_busy:
                self.took.append(PATIENCE)
            connection.close()

    @property
    def waiting(self) -> int:
        """How many answers are still to come."""
        return len(self._late) + sum(connection.is_busy for connection in self._open)

    @property
    def room(self) -> int:
        """How many more connections may be opened."""
        return self._most - len(self._open) - self._connections

    def _answered(self, connection: Connection, status: int, elapsed: float) -> None:
        self.took.append(elapsed)
        self.statuses[status] += 1
        self._free.append(connection)
        self._catch_up()

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._free:
            self._free.remove(connection)


async def drive(
    port: int, rate: float, seconds: float, requests: list[str], connections: int, *, patient: bool
) -> dict[str, Any]:
    """How long the answers took, and how many there were of each status."""
    pace = Pace(port, requests, connections)
    await asyncio.gather(*(pace.open() for _ in range(connections)))
    opening: set[asyncio.Task[None]] = set()
    began = time.perf_counter()
    due, now = 0, 0.0
    while now < seconds:
        now = min(time.perf_counter() - began, seconds)
        while due < now * rate:
            pace.ask(began + due / rate, patient=patient)
            due += 1
        for _ in range(pace.room):  # where the server closes after each answer
            opening.add(task := asyncio.create_task(pace.open()))
            task.add_done_callback(opening.discard)
        await asyncio.sleep(_TICK)
    spent = time.perf_counter() - began
    while pace.waiting and time.perf_counter() - began < spent + PATIENCE:  # noqa: ASYNC110 - the last of many answers
        await asyncio.sleep(0.01)
    pace.close()
    took = sorted(pace.took)
    return {
        "asked": rate,
        "reached": pace.sent / spent,
        "sent": pace.sent,
        "unanswered": len(took) - pace.statuses.total(),
        "p50_ms": quantile(took, 0.5) * 1000,
        "p99_ms": quantile(took, 0.99) * 1000,
        "max_ms": took[-1] * 1000,
        "statuses": {str(status): count for status, count in pace.statuses.items()},
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drive(**json.load(sys.stdin)))))
