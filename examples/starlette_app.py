"""A Starlette application under Keyfob, with Keyfob in its list of middleware.

``keyfob init``, ``keyfob keys create reader --permission items:read``, then
``uvicorn starlette_app:app --app-dir examples --no-proxy-headers``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def front(_: Request) -> Response:
    """Greet everybody. A public rule names this path, so no key is read."""
    return PlainTextResponse("This is open to everybody. /items needs a key.")


async def items(request: Request) -> Response:
    """List the items. The rule has seen to the permission; the user of the request is the key."""
    return JSONResponse({"items": ["kettle", "lamp"], "key": request.scope["keyfob"].name})


@requires("items:write")
async def drafts(request: Request) -> Response:
    """List the drafts. The rule lets any key in; Starlette's own decorator asks for more."""
    return JSONResponse({"items": ["sketch"], "team": request.scope["keyfob"].team})


RULES = {
    "GET /": {"public": True},
    "GET /items": "items:read",
    "GET /inside/drafts": [],
}

app = Starlette(
    routes=[Route("/", front), Route("/items", items), Mount("/inside", routes=[Route("/drafts", drafts)])],
    middleware=[
        Middleware(APIKeyMiddleware, config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"), rules=RULES),
    ],
)
