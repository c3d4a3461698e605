"""What grows with the number of keys, and what does not, on SQLite and on PostgreSQL."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.admit import RULES, bare, request
from bench.figures import Figures, quantile
from keyfob import APIKeyMiddleware
from keyfob.management.actor import Actor
from keyfob.management.key_issuer import KeyIssuer
from keyfob.store.contract.key_store import KeyQuery
from keyfob.store.sql.rows import micros
from keyfob.testing import CHEAP, installation
from keyfob_admin.setup.seeding import Seeding, seed
from tests.postgres_server import fresh_database, run_sql

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from keyfob.testing import Installation

SIZES = (1_000, 10_000) if os.environ.get("BENCH_QUICK") else (1_000, 10_000, 100_000, 1_000_000)
LONGEST = 60 * float(os.environ.get("BENCH_MINUTES", "15"))  # seconds that one filling may be going to take
COLD = 1_000  # keys looked up that the process has not seen
WEIGHED = 6_250  # keys in the cache while that is weighed: its dictionaries are as full as with 100,000
KEPT = 7_000  # keys of each filling that are presented
TIMES = 15
SOUGHT = {
    "one key": "production 00007",
    "many keys": "checkout",
    "no key": "nothing like it",
    "no key, of common parts": "checkout staging 99999",
    "no name, two letters": "zq",
    "one key, two characters": "q+",
    "no key, two characters": "+q",
}


@dataclass(frozen=True)
class Origin:
    """A seeded database, the texts of some keys, and how long the keys that came last took."""

    here: Installation
    texts: list[str]
    filling: float  # microseconds a key


async def measure(sizes: tuple[int, ...] = SIZES) -> Figures:
    """Fill a database on both engines, and time what is asked of it at every size on the way."""
    measured: dict[str, dict[str, float | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        await _grow("SQLite", Path(folder), None, sizes, measured)
    with tempfile.TemporaryDirectory() as folder:
        async with fresh_database() as url:
            await _grow("PostgreSQL", Path(folder), url, sizes, measured)
    rows = {row: [column[row] for column in measured.values()] for row in next(iter(measured.values()))}
    notes = [
        f"Medians of {TIMES}; cold look-ups: {COLD} different keys, in process, each for the first time.",
        f"Memory: what Python holds more after {WEIGHED:,} keys were admitted, tables as full as with 100,000.",
    ]
    return Figures("keys", list(measured), rows, notes)


async def _grow(
    engine: str, folder: Path, url: str | None, sizes: Sequence[int], measured: dict[str, dict[str, float | None]]
) -> None:
    """Let one database grow from size to size, and put what is found at each into *measured*."""
    async with installation(folder, url=url) as here:
        issuer = KeyIssuer(lambda: here.signing, here.pool, CHEAP, "kf", persist_digests=True)
        await here.issue("items:read", name=f"a name with {SOUGHT['one key, two characters']} in it")
        there, filling, texts = 0, 0.0, list[str]()
        for size in sizes:
            if (size - there) * filling / 1e6 > LONGEST:
                print(f"{engine} {size:,}: left out, BENCH_MINUTES are too few here", file=sys.stderr)
                return
            began = time.perf_counter()
            order = Seeding(size - there, "default", Actor.command_line("bench"), ("items:read",), keep=KEPT)
            texts += await seed(here.store, issuer, order, now=datetime.now(UTC))
            filling = (time.perf_counter() - began) / (size - there) * 1e6
            if url is not None:
                await run_sql("VACUUM ANALYZE", database=url.rpartition("/")[2])  # as autovacuum does after a while
            there = size
            measured[f"{engine} {size:,}"] = await _all_of(Origin(here, texts, filling))
            print(f"{engine} {size:,}: {time.perf_counter() - began:.0f} s", file=sys.stderr)


async def _all_of(place: Origin) -> dict[str, float | None]:
    return {
        "filling, µs a key": place.filling,
        **await _requests(place),
        "memory for each key in the cache, bytes": await _weight(place),
        **await _lists(place),
        **await _polls(place),
    }


async def _requests(place: Origin) -> dict[str, float]:
    """What requests wait for."""
    starts = [await _first_admission(place) for _ in range(TIMES)]
    app = APIKeyMiddleware(bare, **place.here.options, rules=RULES)
    await _admit(app, place.texts[0])
    cold = [await _admit(app, text) for text in place.texts[-COLD:]]
    await app.runtime.stop()
    return {
        "start to first admission, ms": median(starts),
        "cold look-up p50, ms": quantile(cold, 0.5),
        "cold look-up p99, ms": quantile(cold, 0.99),
    }


async def _first_admission(place: Origin) -> float:
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


async def _weight(place: Origin) -> float | None:
    """What Python keeps for each key in the cache, in bytes, once its use is written; None for too few keys."""
    if len(place.texts) < WEIGHED + 1:
        return None
    app = APIKeyMiddleware(bare, **place.here.options, rules=RULES, usage_interval=3600.0)
    await _admit(app, place.texts[0])
    gc.collect()
    tracemalloc.start()
    try:
        for text in place.texts[-WEIGHED:]:
            await _admit(app, text)
        await app.runtime.usage.flush(place.here.store)
        gc.collect()
        weight = tracemalloc.get_traced_memory()[0] / WEIGHED
    finally:
        tracemalloc.stop()
    assert len(app.runtime.key_cache) == WEIGHED + 1
    await app.runtime.stop()
    return weight


async def _lists(place: Origin) -> dict[str, float]:
    """What people wait for."""
    now = datetime.now(UTC)
    deep = (micros(now - timedelta(days=180)), "0" * 16)
    queries = {
        "list of 50, ms": KeyQuery("default", now, limit=51),
        "list of 50, half-way, ms": KeyQuery("default", now, limit=51, after=deep),
        **{f"search that finds {what}, ms": KeyQuery("default", now, q=q, limit=51) for what, q in SOUGHT.items()},
    }
    return {row: await _timed(lambda query=query: place.here.store.views(query)) for row, query in queries.items()}  # type: ignore[misc]


async def _polls(place: Origin) -> dict[str, float]:
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
