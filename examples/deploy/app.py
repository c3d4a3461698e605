"""The application of compose.yaml. Its rules are in keyfob.toml, which KEYFOB_CONFIG names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from starlette.requests import Request


async def items(_request: Request) -> JSONResponse:
    """Answer who may read items."""
    return JSONResponse({"items": []})


async def health(_request: Request) -> JSONResponse:
    """Respond while the process does."""
    return JSONResponse({"status": "ok"})


app = APIKeyMiddleware(Starlette(routes=[Route("/items", items), Route("/health", health)]))
