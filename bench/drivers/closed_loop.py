"""Asks as fast as it is answered, on a fixed number of connections: ``python -m bench.drivers.closed_loop``.

Reads one JSON object from standard input (``port``, ``connections``, ``seconds``, ``request``) and prints one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

from bench.drivers import quantile
from bench.drivers.http_wire import Connection


async def drive(port: int, connections: int, seconds: float, request: str) -> dict[str, Any]:
    """What the server managed."""
    loop = asyncio.get_running_loop()
    raw = request.encode()
    took: list[float] = []
    statuses: Counter[int] = Counter()
    ended = time.perf_counter() + seconds
    under_way = 0
    done = asyncio.Event()
    opening: set[asyncio.Task[None]] = set()

    def answered(connection: Connection, status: int, elapsed: float) -> None:
        took.append(elapsed)
        statuses[status] += 1
        if time.perf_counter() < ended:
            connection.ask(raw)
        else:
            connection.close()

    def lost(connection: Connection) -> None:
        nonlocal under_way
        under_way -= 1
        if time.perf_counter() < ended and not connection.is_busy:  # a server without keep-alive, under load
            opening.add(task := loop.create_task(opened()))
            task.add_done_callback(opening.discard)
        elif not under_way:
            done.set()

    async def opened() -> None:
        nonlocal under_way
        under_way += 1
        _, connection = await loop.create_connection(lambda: Connection(answered, lost), "127.0.0.1", port)
        connection.ask(raw)

    began = time.perf_counter()
    await asyncio.gather(*(opened() for _ in range(connections)))
    await asyncio.wait_for(done.wait(), seconds + 30)
    return _managed(took, statuses, time.perf_counter() - began)


def _managed(took: list[float], statuses: Counter[int], spent: float) -> dict[str, Any]:
    took.sort()
    return {
        "rps": len(took) / spent,
        "p50_ms": quantile(took, 0.5) * 1000,
        "p99_ms": quantile(took, 0.99) * 1000,
        "statuses": dict(statuses),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drive(**json.load(sys.stdin)))))
