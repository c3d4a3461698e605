"""A Litestar application under Keyfob, whose handlers say themselves which permissions they need.

``keyfob init``, ``keyfob keys create reader --permission items:read``, then
``uvicorn litestar_app:app --app-dir examples --no-proxy-headers``.
"""

from __future__ import annotations

import os
from typing import Any

from litestar import Litestar, Request, get, post
from litestar.plugins.problem_details import ProblemDetailsPlugin

from keyfob import APIKeyMiddleware
from keyfob.litestar import requires


@get("/")
async def front() -> str:
    """Greet everybody. A public rule names this path, so no key is read."""
    return "This is open to everybody. /items needs a key."


@get("/items", guards=[requires("items:read")])
async def items() -> list[str]:
    """List the items."""
    return ["kettle", "lamp"]


@post("/items", guards=[requires("items:write")])
async def add(item: str, request: Request[Any, Any, Any]) -> dict[str, str]:
    """Add an item. The user of the request is the key: its name and its id."""
    return {"item": item, "added_by": request.user.display_name}


app = APIKeyMiddleware(
    Litestar([front, items, add], plugins=[ProblemDetailsPlugin()]),
    config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"),
    rules={"GET /": {"public": True}, "/items": []},  # any valid key; the guards ask for more
    starlette_user=True,
)
