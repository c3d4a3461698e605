"""What grows with the number of keys, and what does not, on SQLite and on PostgreSQL."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.admit import RULES, bare, request
from bench.figures import Figures, quantile
from keyfob import APIKeyMiddleware
from keyfob.actor import Actor
from keyfob.minting import Minter
from keyfob.seeding import Seeding, seed
from keyfob.store import KeyQuery
from keyfob.store.rows import micros
from keyfob.testing import CHEAP, installation
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfob.testing import Installation

SIZES = (1_000, 10_000) if os.environ.get("BENCH_QUICK") else (1_000, 10_000, 100_000, 1_000_000)
COLD = 1_000  # keys looked up that the process has not seen
REMEMBERED = 100_000  # keys that the process keeps in memory while that is weighed
TIMES = 15
SOUGHT = {
    "one key": "production 00007",
    "many keys": "checkout",
    "no key": "nothing like it",
    "no key, of common parts": "checkout staging 99999",
    "no key, two letters": "zq",
}


@dataclass(frozen=True)
class Place:
    """A seeded database, and what one needs to measure in it."""

    here: Installation
    texts: list[str]
    size: int


async def measure(sizes: tuple[int, ...] = SIZES) -> Figures:
    """Fill databases of every size on both engines, and time what is asked of each."""
    measured: dict[str, dict[str, float]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            measured[f"SQLite {size:,}"] = await _of_size(Path(folder), None, size)
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            async with fresh_database() as url:
                measured[f"PostgreSQL {size:,}"] = await _of_size(Path(folder), url, size)
    rows = {row: [column[row] for column in measured.values()] for row in next(iter(measured.values()))}
    notes = [
        f"Medians of {TIMES}; cold look-ups: {COLD} different keys, in process, each for the first time.",
        "Memory is weighed where 10,000 keys or more are admitted; 0 elsewhere.",
    ]
    return Figures("keys", list(measured), rows, notes)


async def _of_size(folder: Path, url: str | None, size: int) -> dict[str, float]:
    async with installation(folder, url=url) as here:
        minter = Minter(lambda: here.signing, here.pool, CHEAP, "kf", persist_proofs=True)
        order = Seeding(size, "default", Actor.command_line("bench"), ("items:read",), keep=REMEMBERED)
        began = time.perf_counter()
        texts = await seed(here.store, minter, order, now=datetime.now(UTC))
        found = {"filling, µs a key": (time.perf_counter() - began) / size * 1e6}
        place = Place(here, texts, size)
        found |= await _requests(place)
        found |= await _lists(place)
        found |= await _polls(place)
        return found


async def _requests(place: Place) -> dict[str, float]:
    """What requests wait for, and what is kept in memory for them."""
    starts = [await _first_admission(place) for _ in range(TIMES)]
    app = APIKeyMiddleware(bare, **place.here.options, rules=RULES)
    await _admit(app, place.texts[0])
    cold = [await _admit(app, text) for text in place.texts[1 : COLD + 1]]
    gc.collect()
    before = _resident()
    for text in place.texts[COLD + 1 :]:
        await _admit(app, text)
    gc.collect()
    weighed = len(place.texts) - COLD - 1
    per_key = (_resident() - before) / weighed if weighed >= 10_000 else 0.0
    assert len(app.runtime.proofs) == len(place.texts)
    await app.runtime.stop()
    return {
        "start to first admission, ms": median(starts),
        "cold look-up p50, ms": quantile(cold, 0.5),
        "cold look-up p99, ms": quantile(cold, 0.99),
        "memory for each key in the cache, bytes": per_key,
    }


async def _first_admission(place: Place) -> float:
    began = time.perf_counter()
    app = APIKeyMiddleware(bare, **place.here.options, rules=RULES)
    await _admit(app, place.texts[0])
    took = (time.perf_counter() - began) * 1000
    await app.runtime.stop()
    return took


async def _admit(app: APIKeyMiddleware, text: str) -> float:
    """One request, in milliseconds. A key that is not admitted must not be measured."""
    seen: list[int] = []

    async def receive() -> Any:  # noqa: ANN401 - ASGI's
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI's
        seen.append(message.get("status", 0))

    scope = request("/items", text)
    began = time.perf_counter()
    await app(scope, receive, send)
    took = (time.perf_counter() - began) * 1000
    assert seen[0] == 200, seen
    return took


def _resident() -> int:
    """The memory of this process, in bytes (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _lists(place: Place) -> dict[str, float]:
    """What people wait for."""
    now = datetime.now(UTC)
    deep = (micros(now - timedelta(days=180)), "0" * 16)
    queries = {
        "list of 50, ms": KeyQuery("default", now, limit=51),
        "list of 50, half-way, ms": KeyQuery("default", now, limit=51, after=deep),
        **{f"search that finds {what}, ms": KeyQuery("default", now, q=q, limit=51) for what, q in SOUGHT.items()},
    }
    return {row: await _timed(lambda query=query: place.here.store.views(query)) for row, query in queries.items()}  # type: ignore[misc]


async def _polls(place: Place) -> dict[str, float]:
    """What every worker asks twice a second."""
    store = place.here.store
    revision = (await store.changes(None)).revision
    quiet = await _timed(lambda: store.changes(revision))
    ids = [text.split("_")[2] for text in place.texts[:100]]
    for key_id in ids:
        record = (await store.find(key_id)).record
        assert record is not None
        await store.change(lambda rows, record=record: rows.put_key(record))  # type: ignore[misc]
    return {
        "poll with nothing new, ms": quiet,
        "poll with 100 changes, ms": await _timed(lambda: store.changes(revision)),
    }


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    """The median time, in milliseconds."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await work()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)
