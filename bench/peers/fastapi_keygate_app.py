"""fastapi-keygate behind FastAPI, as its page on PyPI shows it.

SHA-256 (its hasher), SQLite through SQLAlchemy, a required scope, no rate limit on the key (a limit would refuse the
measurement), uvicorn with one worker. `KeyGate` with ``usage_batch_size=100``, as it advises for busy apps;
``PEER_VARIANT=async`` is its `AsyncKeyGate`, which writes a row of usage for each request.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys

# -- set-up
from fastapi import Depends, FastAPI
from keygate import ApiKey, AsyncKeyGate, KeyGate

from presented import MANY, show

FOLDER = os.environ.get("PEER_FOLDER") or sys.argv[1]
IS_ASYNC = os.environ.get("PEER_VARIANT") == "async"
app = FastAPI()
if IS_ASYNC:
    gate = AsyncKeyGate(app, db_url=f"sqlite+aiosqlite:///{FOLDER}/keys.db")
else:
    gate = KeyGate(app, db_url=f"sqlite:///{FOLDER}/keys.db", usage_batch_size=100)


@app.get("/items")
async def items(_key: ApiKey = Depends(gate.require_scopes("items:read"))) -> dict[str, list[int]]:
    """The route that is guarded."""
    return {"items": [1, 2, 3]}


# -- keys for the measurement


async def prepare() -> None:
    """Make the tables and two keys, and say what to present."""
    keys = AsyncKeyGate(db_url=f"sqlite+aiosqlite:///{FOLDER}/keys.db")
    live = await keys.create_key("live", per_minute=None, scopes=["items:read"])
    dead = await keys.create_key("dead", per_minute=None, scopes=["items:read"])
    await keys.revoke(dead.id)
    prefix = live.key.split("_")[1]
    show(
        header="X-API-Key",
        scheme="",
        valid=live.key,
        dead=dead.key,
        forged=[f"kg_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}" for _ in range(MANY)],
        wrong_secret=[f"kg_{prefix}_{secrets.token_urlsafe(32)}" for _ in range(MANY)],
    )
    await keys._engine.dispose()  # noqa: SLF001 - it has no way of its own to be closed


if __name__ == "__main__":
    asyncio.run(prepare())
