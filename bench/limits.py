"""What limits cost and whether they hold, beside three packages for limits alone, on the same route.

- Cost: a request that is admitted, in process, over the same without limits: for Keyfob over Keyfob without limits, for
  the others over the bare application. They know no keys: whoever uses them still has to check those.
- Memory: what is allocated in one process for each key that has made one request, over the same without limits.
- Overload: four worker processes get as many requests of one key each as it is allowed in all.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.admit import request
from bench.effort import Effort
from bench.figures import Figures
from bench.limited_apps import RIVALS, bare, keyfob
from bench.limited_worker import Work, admitted
from bench.servers import ROOT
from keyfob.testing import installation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Scope

    from keyfob import APIKeyMiddleware
    from keyfob.testing import Installation

KEYFOB = "Keyfob"
WORKERS = 4
ALLOWED = 1_000
PLENTY = 1_000_000_000  # a limit that nothing reaches
KEYS = 1_000
BATCH = 20  # requests that are timed together: so few that some batches are not interrupted


async def measure(keys: int = KEYS) -> Figures:
    """Measure Keyfob and whichever of the others are installed."""
    effort = Effort.wanted(rounds=500, seconds=0)
    rivals = [rival for rival in RIVALS if rival.is_installed]
    with tempfile.TemporaryDirectory() as folder:
        async with installation(Path(folder)) as here:
            one, another = [(await here.issue("items:read")).text for _ in range(2)]
            cost = await _cost(here, one, rivals, effort.rounds)
            memory, file = await _memory(here, rivals, keys)
            passed = [_overload(here, another, package) for package in ("", *(each.package for each in rivals))]
    names = [KEYFOB, *(rival.package for rival in rivals)]
    rows: dict[str, list[float | None]] = {
        "admitted, µs over the same without limits": [cost[name] for name in names],
        "the same, as a share of Keyfob's": [cost[name] / cost[KEYFOB] for name in names],
        "bytes in a process for each limited key": [memory[name] for name in names],
        "bytes in the file that all workers share": [file, *(None for _ in rivals)],
        f"allowed, of {WORKERS * ALLOWED:,} sent to {WORKERS} workers": [float(ALLOWED) for _ in names],
        "admitted": [float(count) for count in passed],
    }
    notes = [f"Cost: the quietest of {effort.rounds} interleaved rounds of {BATCH} requests each."]
    notes += [f"{rival.package} is not installed here, and not measured." for rival in RIVALS if rival not in rivals]
    if effort.is_quick:
        notes.append("QUICK: these figures say nothing.")
    return Figures("limits", names, rows, notes)


async def _cost(here: Installation, key: str, rivals: Sequence[Any], rounds: int) -> dict[str, float]:
    """What a limit adds to a request, in µs: from the quietest of many short interleaved rounds of each application."""
    plain, limited = _keyfob(here, None), _keyfob(here, PLENTY)
    apps: dict[str, tuple[ASGIApp, ASGIApp]] = {KEYFOB: (plain, limited)}
    without = bare()
    apps |= {rival.package: (without, rival.make(PLENTY)) for rival in rivals}
    quietest: dict[ASGIApp, float] = {}
    for _ in range(rounds):
        for app in dict.fromkeys(app for pair in apps.values() for app in pair):
            took = await _mean(app, request("/items", key))
            quietest[app] = min(took, quietest.get(app, took))
        await asyncio.sleep(0)  # so that Keyfob reads changes, as it does while it serves
    await plain.runtime.stop()
    await limited.runtime.stop()
    return {name: quietest[after] - quietest[before] for name, (before, after) in apps.items()}


async def _mean(app: ASGIApp, scope: Scope) -> float:
    """The mean of `BATCH` requests, in µs."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        pass

    scopes = [dict(scope) for _ in range(BATCH)]
    began = time.perf_counter()
    for one in scopes:
        await app(one, receive, send)
    return (time.perf_counter() - began) / BATCH * 1e6


async def _memory(here: Installation, rivals: Sequence[Any], count: int) -> tuple[dict[str, float], float]:
    """How much each limited key takes in a process, and in the file that all workers share."""
    issued = [(await here.issue("items:read")).text for _ in range(count)]
    plain, limited = _keyfob(here, None), _keyfob(here, PLENTY)
    found = {rival.package: await _growth(rival.make(PLENTY), issued) / count for rival in rivals}
    before = _on_disk(here)
    found[KEYFOB] = (await _growth(limited, issued) - await _growth(plain, issued)) / count
    after = _on_disk(here)
    await plain.runtime.stop()
    await limited.runtime.stop()
    return found, (after - before) / count


def _options(here: Installation) -> dict[str, Any]:
    return {"store": here.options["store"], "keyring": str(here.options["keyring"])}


def _keyfob(here: Installation, amount: int | None) -> APIKeyMiddleware:
    return keyfob(_options(here), amount)


def _on_disk(here: Installation) -> int:
    """The bytes that the shared file takes; rows that were never used take none."""
    file = here.folder / "keyfob.db-limits"
    return file.stat().st_blocks * 512 if file.exists() else 0


async def _growth(app: ASGIApp, keys: Sequence[str]) -> int:
    """The bytes that are allocated after one request of each of *keys*."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await admitted(app, keys)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


def _overload(here: Installation, key: str, package: str) -> int:
    """How many requests of one key the workers admit in all."""
    work = Work(package=package, options=_options(here), key=key, amount=ALLOWED, requests=ALLOWED)
    command = [sys.executable, "-m", "bench.limited_worker"]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)  # noqa: S603 - ours
            )
            for _ in range(WORKERS)
        ]
        for worker in started:
            _tell(worker, json.dumps(work))
        for worker in started:
            assert worker.stdout is not None
            worker.stdout.readline()  # ready
        for worker in started:
            _tell(worker, "")
        return sum(int(worker.communicate()[0]) for worker in started)


def _tell(worker: subprocess.Popen[str], line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(f"{line}\n")
    worker.stdin.flush()
