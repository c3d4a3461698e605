"""What making a key costs beside the Argon2id hash that it cannot do without."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.table import Measured
from keyfob.keys.format import new_secret
from keyfob.keys.hashing import Argon2Parameters, hash_secret
from keyfob.management.actor import Actor
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.key_issuer import KeyIssuer
from keyfob.management.keys import KeyLifecycle
from keyfob.policy.catalogue import build_catalogue
from keyfob.testing import installation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROUNDS = 10 if os.environ.get("BENCH_QUICK") else 200
_DRAFT = KeyDraft(name="a key", permissions=("items:read",))


async def measure(rounds: int = ROUNDS) -> Measured:
    """Hash a secret, and make a whole key on SQLite: judged, hashed, written, and told in the audit log."""
    with tempfile.TemporaryDirectory() as folder:
        async with installation(Path(folder)) as here:
            as_configured = Argon2Parameters()
            issuer = KeyIssuer(lambda: here.signing, here.pool, as_configured, "kf", persist_digests=True)
            catalogue = build_catalogue(permissions={"items:read": "Read items"})
            keys = KeyLifecycle(here.store, issuer, catalogue, now=lambda: datetime.now(UTC), max_staleness=2.0)
            rows: dict[str, Callable[[], Awaitable[object]]] = {
                "nothing, on a thread": lambda: here.pool.run(lambda: None),
                "Argon2id as configured by default": lambda: here.pool.run(hash_secret, new_secret(), as_configured),
                "create a key": lambda: keys.create("default", _DRAFT, actor=Actor.command_line("bench")),
            }
            figures: dict[str, list[float]] = {row: [] for row in rows}
            for _ in range(rounds):
                for row, work in rows.items():
                    began = time.perf_counter()
                    await work()
                    figures[row].append((time.perf_counter() - began) * 1e3)
    return Measured("One new key, on SQLite", "ms", figures, *list(rows)[:2])
