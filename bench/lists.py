"""Every filter and every order of the list of keys among a million, and how many there are, on both engines."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import psutil

from bench.figures import Figures
from bench.many_keys import TEAM, fill
from keyfob.management.key_listing import ORDERS
from keyfob.store.contract.key_store import TEAM_OWNER, KeyQuery
from keyfob.testing import installation
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfob.testing import Installation

COUNT: Final = 20_000 if os.environ.get("BENCH_QUICK") else 1_000_000
TIMES: Final = 5
PAGE: Final = 51  # a page of 50, and one more to know whether there is another
COLUMNS: Final = ("page", "slowest order", "its processor time", "total")
_FOR_EVER: Final = datetime(9999, 12, 31, tzinfo=UTC)


def filters(now: datetime) -> dict[str, dict[str, Any]]:
    """What is asked for, by the words for it."""
    plan = "enterprise"
    return {
        "all": {},
        "active": {"state": "active"},
        "disabled": {"state": "disabled"},
        "pending": {"state": "pending"},
        "expired": {"state": "expired"},
        "suspended, none": {"state": "suspended", "suspended_types": {plan: []}},
        "suspended, few": {"state": "suspended", "suspended_types": {plan: ["scim"]}},
        "type of most": {"key_type": "api"},
        "type of few": {"key_type": "scim"},
        "type of none": {"key_type": "webhook"},
        "permission of most": {"permission": "items:read"},
        "permission of few": {"permission": "audit:export"},
        "permission of none": {"permission": "items:delete"},
        "unused for 90 days": {"unused_since": now - timedelta(days=90)},
        "unused for 364 days": {"unused_since": now - timedelta(days=364, hours=12)},
        "never used": {"never_used": True},
        "expires in 30 days": {"expires_after": now, "expires_before": now + timedelta(days=30)},
        "expires in an hour": {"expires_after": now, "expires_before": now + timedelta(hours=1)},
        "expires in 300 days or later": {"expires_after": now + timedelta(days=300)},
        "never expires": {"expires_after": _FOR_EVER},
        "owner": {"owner": "person0000000100"},
        "no owner": {"owner": TEAM_OWNER},
        "owner left": {"left_owners": ["owner"]},
        "created by": {"created_by": "m000000000000100"},
        "external id": {"external_id": "org_00000100"},
        "active, unused for 90 days": {"state": "active", "unused_since": now - timedelta(days=90)},
    }


async def measure(count: int = COUNT) -> Figures:
    """Fill a database on both engines, and time every list of it."""
    now = datetime.now(UTC)
    rows: dict[str, list[float | None]] = {f"{what}, ms": [] for what in filters(now)}
    with tempfile.TemporaryDirectory() as folder:
        await _measure("SQLite", Path(folder), None, count, rows)
    with tempfile.TemporaryDirectory() as folder:
        async with fresh_database() as url:
            await _measure("PostgreSQL", Path(folder), url, count, rows)
    load = os.getloadavg()[1] / (os.cpu_count() or 1)
    notes = [
        f"Pages of 50 in each of {2 * len(ORDERS)} orders, medians of {TIMES}: of all orders, and of the slowest one.",
        f"While this was measured, {load:.1f} processes wanted each processor; processor time leaves the waiting out.",
    ]
    columns = [f"{engine}: {one}" for engine in ("SQLite", "PostgreSQL") for one in COLUMNS]
    return Figures(f"of {count:,} keys", columns, rows, notes)


async def _measure(engine: str, folder: Path, url: str | None, count: int, rows: dict[str, list[float | None]]) -> None:
    now = datetime.now(UTC)
    async with installation(folder, url=url) as here:
        began = time.perf_counter()
        await fill(here, count, now)
        print(f"{engine}: {count:,} keys after {time.perf_counter() - began:.0f} s", file=sys.stderr)
        for what, asked in filters(now).items():
            rows[f"{what}, ms"] += await _pages(here, KeyQuery(TEAM, now, limit=PAGE, **asked))


async def _pages(here: Installation, query: KeyQuery) -> list[float]:
    """The page in the middling and in the slowest order, the processor time of that, and the total."""
    found = []
    for order_by in ORDERS:
        for descending in (False, True):
            one = replace(query, order_by=order_by, descending=descending)
            found.append(await _timed(here, lambda one=one: here.store.views(one)))  # type: ignore[misc]
    total, _ = await _timed(here, lambda: here.store.count(query))
    return [median(wall for wall, _ in found), *max(found), total]


async def _timed(here: Installation, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """The median time, and the processor time of one, in milliseconds."""
    await work()
    took, before = [], _processor_time(here)
    for _ in range(TIMES):
        began = time.perf_counter()
        await work()
        took.append((time.perf_counter() - began) * 1000)
    return median(took), (_processor_time(here) - before) * 1000 / TIMES


def _processor_time(here: Installation) -> float:
    """Of this process, and of the server's for its database, in seconds."""
    used = time.process_time()
    if here.url is not None:
        database = f" {here.url.rpartition('/')[2]} "
        for process in psutil.process_iter(["cmdline", "cpu_times"]):
            if database in " ".join(process.info["cmdline"] or ()):
                used += process.info["cpu_times"].user + process.info["cpu_times"].system
    return used
