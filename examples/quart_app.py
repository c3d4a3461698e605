"""A Quart application under Keyfob.

``keyfob init``, ``keyfob keys create reader --permission items:read``, then
``uvicorn quart_app:app --app-dir examples --no-proxy-headers``.
"""

from __future__ import annotations

import os
from typing import Any

from quart import Quart, request, websocket

from keyfob import APIKeyMiddleware

shop = Quart(__name__)


def asked_by() -> str:
    """Say which key the request came with."""
    scope: Any = request.scope  # Quart's own type of it knows nothing of middleware
    return str(scope["keyfob"].name)


@shop.get("/")
async def front() -> str:
    """Greet everybody. A public rule names this path, so no key is read."""
    return "This is open to everybody. /items needs a key."


@shop.get("/items")
async def items() -> dict[str, Any]:
    """List the items. The rule has seen to the permission."""
    return {"items": ["kettle", "lamp"], "key": asked_by()}


@shop.post("/items")
async def add() -> tuple[dict[str, str], int]:
    """Add an item."""
    return {"item": request.args["item"], "added_by": asked_by()}, 201


@shop.websocket("/events")
async def events() -> None:
    """Say hello, and no more. The connection is closed when the key is disabled."""
    await websocket.send("hello")


app = APIKeyMiddleware(
    shop,
    config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"),
    rules={
        "GET /": {"public": True},
        "GET /items": "items:read",
        "POST /items": "items:write",
        "WS /events": "items:read",
    },
)
