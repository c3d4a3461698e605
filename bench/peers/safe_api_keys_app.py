"""safe-api-keys behind FastAPI, as its FastAPI example shows it.

HMAC-SHA-256 with a pepper (its hasher), `AsyncSQLAlchemyStore` on aiosqlite, a required scope, its exception handlers,
uvicorn with one worker; it writes the last use at most every 60 seconds. ``PEER_VARIANT=cached`` adds its
`VerifyCache`, which its FAQ advises "only for very high traffic": five seconds, in this process.
"""

from __future__ import annotations

import asyncio
import os
import sys

# -- set-up
from fastapi import Depends, FastAPI
from safe_api_keys import AsyncKeyManager, KeyRecord
from safe_api_keys.cache import VerifyCache
from safe_api_keys.contrib.fastapi import APIKeyAuth
from safe_api_keys.stores import AsyncSQLAlchemyStore
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from presented import MANY, show

FOLDER = os.environ.get("PEER_FOLDER") or sys.argv[1]
cache = VerifyCache() if os.environ.get("PEER_VARIANT") == "cached" else None
engine = create_async_engine(f"sqlite+aiosqlite:///{FOLDER}/keys.db")
store = AsyncSQLAlchemyStore(async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False))
manager = AsyncKeyManager(store, prefix="acme_live", pepper=b"a pepper of thirty-two characters", cache=cache)
auth = APIKeyAuth(manager)
app = FastAPI()
auth.install(app)


@app.get("/items")
async def items(_key: KeyRecord = Depends(auth.scopes("items:read"))) -> dict[str, list[int]]:
    """The route that is guarded."""
    return {"items": [1, 2, 3]}


# -- keys for the measurement


async def prepare() -> None:
    """Make the table and two keys, and say what to present."""
    await store.create_table(engine)
    live = await manager.issue(owner="live", scopes=["items:read"])
    dead = await manager.issue(owner="dead", scopes=["items:read"])
    await manager.revoke(dead.record.key_id)
    form = manager.key_format
    show(
        header="Authorization",
        scheme="Bearer ",
        valid=live.raw_key,
        dead=dead.raw_key,
        forged=[form.build(form.new_key_id(), form.new_secret())[0] for _ in range(MANY)],
        wrong_secret=[form.build(live.record.key_id, form.new_secret())[0] for _ in range(MANY)],
    )
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(prepare())
