"""What it costs to know when each key was last used."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figures
from keyfob.actor import Actor
from keyfob.minting import Minter
from keyfob.seeding import Seeding, seed
from keyfob.stats import Stats
from keyfob.testing import CHEAP, installation
from keyfob.usage import Usage

SIZES = (1, 1_000) if os.environ.get("BENCH_QUICK") else (1, 1_000, 100_000)
SECONDS = 3  # of load, at each size
RATE = 100_000  # requests in each of them


async def measure(sizes: tuple[int, ...] = SIZES) -> Figures:
    """Note so many requests a second, spread over so many keys, and write once a second as a worker does."""
    columns = [await _with_keys(size) for size in sizes]
    rows = {row: [column[row] for column in columns] for row in columns[0]}
    notes = [f"{RATE:,} requests a second for {SECONDS} s on SQLite, written once a second (usage_interval)."]
    return Figures("keys in use", [f"{size:,}" for size in sizes], rows, notes)


async def _with_keys(size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        async with installation(Path(folder)) as here:
            minter = Minter(lambda: here.signing, here.pool, CHEAP, "kf", persist_proofs=True)
            order = Seeding(size, "default", Actor.command_line("bench"), keep=size)
            texts = await seed(here.store, minter, order, now=datetime.now(UTC))
            ids = [text.split("_")[2] for text in texts]
            stats = Stats()
            usage = Usage(stats)
            noting, writing, began = 0.0, 0.0, time.time()
            for second in range(SECONDS):
                start = time.perf_counter()
                for number in range(RATE):
                    usage.note_admitted(ids[number % size], began + second, "192.0.2.7")
                noting += time.perf_counter() - start
                start = time.perf_counter()
                await usage.flush(here.store)
                writing += time.perf_counter() - start
    return {
        "noting one request, µs": noting / (RATE * SECONDS) * 1e6,
        "keys written for each second of load": stats.usage_writes / SECONDS,
        "rows written for each second of load": 2 * stats.usage_writes / SECONDS,
        "writing them, ms": writing / SECONDS * 1000,
    }
