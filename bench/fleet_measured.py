"""A small fleet on a real PostgreSQL, counted by the server itself, to hold the simulation of `bench.fleet` against."""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.admit import RULES, bare, request
from keyfob import APIKeyMiddleware
from keyfob.testing import installation
from tests.postgres_server import fresh_database, run_sql

_COUNTED = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '{}'"


async def transactions_a_second(workers: int, seconds: float) -> float:
    """What *workers* runtimes, each with a pool of its own, ask of the server with one change and use a second."""
    with tempfile.TemporaryDirectory() as folder:
        async with fresh_database() as url, installation(Path(folder), url=url) as here:
            key = await here.issue("items:read")
            fleet = [APIKeyMiddleware(bare, **here.options, rules=RULES) for _ in range(workers)]
            name = url.rpartition("/")[2]
            stop = time.monotonic() + seconds + 2
            asking = asyncio.create_task(_ask(fleet, key.text, stop))
            await asyncio.sleep(2)  # until all have connected
            before, began = await _count(name), time.monotonic()
            while time.monotonic() < began + seconds:
                await here.change(key, description=datetime.now(UTC).isoformat())
                await asyncio.sleep(1)
            took = time.monotonic() - began
            await asyncio.sleep(1.2)  # the server counts a session's transactions up to a second late
            counted = (await _count(name) - before) / (took + 1.2)
            await asking
            for one in fleet:
                await one.runtime.stop()
    return counted


async def _ask(fleet: list[APIKeyMiddleware], text: str, stop: float) -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: object) -> None:
        pass

    while time.monotonic() < stop:
        for one in fleet:
            await one(request("/items", text), receive, send)
        await asyncio.sleep(0.1)


async def _count(database: str) -> int:
    return int(await run_sql(_COUNTED.format(database)))
