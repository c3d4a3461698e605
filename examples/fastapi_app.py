"""A FastAPI application under Keyfob, whose routes say themselves which permissions they need.

``keyfob init``, ``keyfob keys create reader --permission items:read``, then
``uvicorn fastapi_app:app --app-dir examples --no-proxy-headers``. Press Authorize on http://127.0.0.1:8000/docs.
"""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import FastAPI

from keyfob import APIKeyMiddleware, Grant
from keyfob.fastapi import require

app = FastAPI(title="Items")


@app.get("/")
async def front() -> str:
    """Greet everybody. A public rule names this path, so no key is read."""
    return "This is open to everybody. /items needs a key."


@app.get("/items", dependencies=[require("items:read")])
async def items() -> list[str]:
    """List the items."""
    return ["kettle", "lamp"]


@app.post("/items", status_code=201)
async def add(item: str, grant: Annotated[Grant, require("items:write")]) -> dict[str, str]:
    """Add an item, and say by which key."""
    return {"item": item, "added_by": grant.name}


PUBLIC = {"public": True}
RULES = {
    "GET /": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "/items": [],  # any valid key; the routes ask for more
}

app.add_middleware(APIKeyMiddleware, config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"), rules=RULES)
