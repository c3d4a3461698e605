"""What it costs to know when each key was last used, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.figures import Figures
from keyfob.gate.stats import Stats
from keyfob.gate.usage import Usage
from keyfob.management.actor import Actor
from keyfob.management.key_issuer import KeyIssuer
from keyfob.testing import CHEAP, installation
from keyfob_admin.setup.seeding import Seeding, seed
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.testing import Installation

SIZES = (1, 1_000) if os.environ.get("BENCH_QUICK") else (1, 1_000, 20_000, 100_000)
SECONDS = 3  # of load, at each size
RATE = 100_000  # requests in each of them


async def measure(sizes: tuple[int, ...] = SIZES) -> Figures:
    """Note so many requests a second, spread over so many keys, and write once a second as a worker does."""
    measured: dict[str, dict[str, float]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            measured[f"SQLite {size:,}"] = await _with_keys(Path(folder), None, size)
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            async with fresh_database() as url:
                measured[f"PostgreSQL {size:,}"] = await _with_keys(Path(folder), url, size)
    rows = {row: [column[row] for column in measured.values()] for row in next(iter(measured.values()))}
    notes = [
        f"{RATE:,} requests a second for {SECONDS} s, written once a second (usage_interval); medians of these.",
        "Processor time is that of this process: on PostgreSQL the server's own comes on top.",
        "A change: one to a key, made again and again while uses are being written.",
    ]
    return Figures("keys in use", list(measured), rows, notes)


async def _with_keys(folder: Path, url: str | None, size: int) -> dict[str, float]:
    async with installation(folder, url=url) as here:
        ids = await _filled(here, size)
        stats = Stats()
        usage = Usage(stats)
        noting, began = 0.0, time.time()
        writing: list[float] = []
        working: list[float] = []
        waits: list[float] = []
        for second in range(SECONDS):
            start = time.perf_counter()
            for number in range(RATE):
                usage.note_admitted(ids[number % size], began + second, "192.0.2.7")
            noting += time.perf_counter() - start
            written = asyncio.Event()
            changing = asyncio.create_task(_change_until(written, here.store, ids[0], waits))
            await asyncio.sleep(0)  # the first change begins before the writing, however fast that is
            start, start_cpu = time.perf_counter(), time.process_time()
            await usage.flush(here.store)
            writing.append(time.perf_counter() - start)
            working.append(time.process_time() - start_cpu)
            written.set()
            await changing
    return {
        "noting one request, µs": noting / (RATE * SECONDS) * 1e6,
        "keys written for each second of load": stats.usage_writes / SECONDS,
        "rows written for each second of load": 2 * stats.usage_writes / SECONDS,
        "writing them, ms": median(writing) * 1000,
        "writing them, ms of processor": median(working) * 1000,
        "a change meanwhile, longest, ms": max(waits) * 1000,
    }


async def _filled(here: Installation, size: int) -> list[str]:
    """Make keys, and give their ids in no order, as clients come."""
    issuer = KeyIssuer(lambda: here.signing, here.pool, CHEAP, "kf", persist_digests=True)
    order = Seeding(size, "default", Actor.command_line("bench"), keep=size)
    texts = await seed(here.store, issuer, order, now=datetime.now(UTC))
    ids = [text.split("_")[2] for text in texts]
    random.Random(7).shuffle(ids)
    return ids


async def _change_until(written: asyncio.Event, store: KeyStore, key_id: str, waits: list[float]) -> None:
    """Note in *waits* how many seconds each change took that began before all was *written*."""
    record = (await store.find(key_id)).record
    assert record is not None
    while not written.is_set():
        start = time.perf_counter()
        await _put(store, record)
        waits.append(time.perf_counter() - start)
        await asyncio.sleep(0.005)


async def _put(store: KeyStore, record: KeyRecord) -> None:
    await store.change(lambda rows: rows.put_key(record))
