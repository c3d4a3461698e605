"""keyshield behind FastAPI, as its page on PyPI and its chapter on caching show it.

Argon2id with its own parameters and a pepper (its default hasher), SQLAlchemy on aiosqlite, its `CachedApiKeyService`
in memory with the TTL it comes with (300 s), a required scope, uvicorn with one worker. The table is made beforehand
instead of on each request. It delays every answer by 0.1 to 0.3 seconds, against guessing, unless told otherwise;
``PEER_VARIANT=undelayed`` tells it otherwise.
"""

from __future__ import annotations

import asyncio
import os
import sys

# -- set-up
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads annotations

from aiocache import SimpleMemoryCache
from fastapi import Depends, FastAPI
from keyshield import ApiKey
from keyshield.api import create_depends_api_key
from keyshield.hasher.argon2 import Argon2ApiKeyHasher
from keyshield.repositories.sql import SqlAlchemyApiKeyRepository
from keyshield.services.cached import CachedApiKeyService
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from presented import MANY, random, show

FOLDER = os.environ.get("PEER_FOLDER") or sys.argv[1]
DELAY = {"undelayed": {"min_delay": 0.0, "max_delay": 0.0}}.get(os.environ.get("PEER_VARIANT", ""), {})
hasher = Argon2ApiKeyHasher(pepper="a pepper of thirty-two characters")
cache = SimpleMemoryCache()
engine = create_async_engine(f"sqlite+aiosqlite:///{FOLDER}/keys.db")
new_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
app = FastAPI()


async def session() -> AsyncIterator[AsyncSession]:
    """One transaction for each request."""
    async with new_session() as opened, opened.begin():
        yield opened


async def service(opened: AsyncSession = Depends(session)) -> CachedApiKeyService:
    """The service over it, with the cache that all share."""
    return CachedApiKeyService(SqlAlchemyApiKeyRepository(opened), hasher, cache, **DELAY)


may_read = create_depends_api_key(service, required_scopes=["items:read"])


@app.get("/items")
async def items(_key: ApiKey = Depends(may_read)) -> dict[str, list[int]]:
    """The route that is guarded."""
    return {"items": [1, 2, 3]}


# -- keys for the measurement


async def prepare() -> None:
    """Make the table and two keys, and say what to present."""
    async with new_session() as opened, opened.begin():
        await SqlAlchemyApiKeyRepository(opened).ensure_table(engine)
    async with new_session() as opened, opened.begin():
        keys = await service(opened)
        live, valid = await keys.create(name="live", scopes=["items:read"])
        _, dead = await keys.create(name="dead", scopes=["items:read"], is_active=False)
    show(
        header="Authorization",
        scheme="Bearer ",
        valid=valid,
        dead=dead,
        forged=[f"ak_v1-{random(16, '0123456789abcdef')}-{random(64)}" for _ in range(MANY)],
        wrong_secret=[f"ak_v1-{live.key_id}-{random(64)}" for _ in range(MANY)],
    )
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(prepare())
