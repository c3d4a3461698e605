"""A restart: four workers that have seen no key yet, and all keys come at once."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figures, quantile
from keyfob.management.actor import Actor
from keyfob.management.key_issuer import KeyIssuer
from keyfob.testing import CHEAP, Installation, installation
from keyfob_admin.setup.seeding import Seeding, seed
from tests.end_to_end.server import Server
from tests.history.load import Caller

KEYS = 500 if os.environ.get("BENCH_QUICK") else 10_000
BY_ARGON2 = 20 if os.environ.get("BENCH_QUICK") else 200  # each costs tens of milliseconds, in each worker
WORKERS = 4
CONNECTIONS = 32
WARM = 0.005  # seconds between two requests for the warm key


async def measure(keys: int = KEYS, by_argon2: int = BY_ARGON2) -> Figures:
    """Admit every key once after a restart, with stored digests and without."""
    with_digests = await _restart(keys, persist_digests=True)
    without = await _restart(by_argon2, persist_digests=False)
    rows = {row: [with_digests[row], without[row]] for row in with_digests}
    notes = [
        f"{WORKERS} uvicorn workers on SQLite, {CONNECTIONS} connections; each key once, at whichever worker.",
        "Without digests the keys are few: each costs an Argon2id, and where too many wait it is asked again.",
    ]
    return Figures("restart", ["stored digests", "persist_digests = false"], rows, notes)


async def _restart(keys: int, *, persist_digests: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        async with installation(Path(folder)) as here:
            texts = await _texts(here, keys, seeded=persist_digests)
            warm = await here.issue("items:read")
            server = Server(
                here, Path(folder, "log"), http="httptools", workers=WORKERS, persist_digests=persist_digests
            )
            try:
                return await _admit_all(server, texts, warm.text)
            finally:
                server.stop()


async def _texts(here: Installation, keys: int, *, seeded: bool) -> list[str]:
    if not seeded:
        return [(await here.issue("items:read")).text for _ in range(keys)]
    issuer = KeyIssuer(lambda: here.signing, here.pool, CHEAP, "kf", persist_digests=True)
    order = Seeding(keys, "default", Actor.command_line("bench"), ("items:read",), keep=keys)
    return await seed(here.store, issuer, order, now=datetime.now(UTC))


async def _admit_all(server: Server, texts: list[str], warm: str) -> dict[str, float]:
    callers = [await Caller.connected(server.port) for _ in range(CONNECTIONS + 1)]
    waiting, warm_caller = list(texts), callers.pop()
    took: list[float] = []
    assert (await warm_caller.ask("GET /items", warm))[0] == 200

    async def admit(caller: Caller) -> None:
        while waiting:
            text = waiting.pop()
            while (status := (await caller.ask("GET /items", text))[0]) == 503:  # noqa: ASYNC110 (in the server)
                await asyncio.sleep(0.05)
            assert status == 200, status

    async def keep_warm() -> None:
        while True:
            began = time.perf_counter()
            status, _ = await warm_caller.ask("GET /items", warm)
            took.append((time.perf_counter() - began) * 1000)
            assert status == 200, status
            await asyncio.sleep(WARM)

    began = time.perf_counter()
    warming = asyncio.create_task(keep_warm())
    await asyncio.gather(*(admit(caller) for caller in callers))
    lasted = time.perf_counter() - began
    warming.cancel()
    await asyncio.gather(warming, return_exceptions=True)
    argon2 = await _argon2(callers)
    for caller in (*callers, warm_caller):
        await caller.close()
    return {
        "keys": float(len(texts)),
        "until all were admitted once, s": lasted,
        "Argon2id computed": argon2,
        "warm key meanwhile p50, ms": quantile(took, 0.5),
        "warm key meanwhile p99, ms": quantile(took, 0.99),
    }


async def _argon2(callers: list[Caller]) -> float:
    """The sum over the workers that took connections."""
    counts: dict[int, int] = {}
    for caller in callers:
        _, body = await caller.ask("GET /_/stats")
        told = json.loads(body)
        counts[told["pid"]] = told["argon2_verifications"]
    return float(sum(counts.values()))
