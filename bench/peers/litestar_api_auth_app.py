"""litestar-api-auth in Litestar, as its page on PyPI shows it.

SHA-256 (its hasher), its `SQLAlchemyBackend` ("for production") on aiosqlite, `require_scope` on the route, usage
tracked as it is by default (a row is written for each request), uvicorn with one worker. Its cache is Redis and
documented alone: the release has none. A key has no id, so a wrong secret is just a forged key.
"""

from __future__ import annotations

import asyncio
import os
import sys

# -- set-up
from litestar import Litestar, get
from litestar_api_auth import APIAuthConfig, APIAuthPlugin, mint_api_key, require_scope
from litestar_api_auth.backends.sqlalchemy import SQLAlchemyBackend, SQLAlchemyConfig
from sqlalchemy.ext.asyncio import create_async_engine

from presented import MANY, random, show

FOLDER = os.environ.get("PEER_FOLDER") or sys.argv[1]
engine = create_async_engine(f"sqlite+aiosqlite:///{FOLDER}/keys.db")
backend = SQLAlchemyBackend(config=SQLAlchemyConfig(engine=engine))


@get("/items", guards=[require_scope("items:read")])
async def items() -> dict[str, list[int]]:
    """The route that is guarded."""
    return {"items": [1, 2, 3]}


app = Litestar([items], plugins=[APIAuthPlugin(config=APIAuthConfig(backend=backend, key_prefix="acme_"))])

# -- keys for the measurement


async def prepare() -> None:
    """Make the table and two keys, and say what to present."""
    await backend.startup()
    valid, _ = await mint_api_key(backend, name="live", scopes=["items:read"], prefix="acme_")
    dead, gone = await mint_api_key(backend, name="dead", scopes=["items:read"], prefix="acme_")
    await backend.revoke(gone.key_hash)
    forged = [f"acme_{random(len(valid) - 5)}" for _ in range(MANY)]
    show(header="X-API-Key", scheme="", valid=valid, dead=dead, forged=forged, wrong_secret=forged)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(prepare())
