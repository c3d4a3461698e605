"""Starlette: a key in the application's own header, or its own login (JWT), and refusals in its own form.

``keyfob init``, ``keyfob keys create reader --permission items:read``, then
``JWT_SECRET=$(openssl rand -hex 32) uvicorn starlette_app:app --app-dir examples/key_or_login --no-proxy-headers``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import jwt
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Scope

    from keyfob import Refusal


def caller_of(request: Request) -> str:
    """Return the key's name, or who has signed in. Raises HTTPException."""
    grant = request.scope.get("keyfob")
    if grant is not None:
        return str(grant.name)
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        return str(jwt.decode(token, os.environ["JWT_SECRET"], ["HS256"])["sub"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "sign in, or send a key in X-Acme-Key") from error


async def items(request: Request) -> JSONResponse:
    """List the items, for a key or for a person."""
    return JSONResponse({"items": ["kettle", "lamp"], "asked_by": caller_of(request)})


def in_our_form(refusal: Refusal, _: Scope) -> JSONResponse:
    """Write a refusal as this application writes its errors."""
    return JSONResponse({"error": {"code": refusal.code, "message": refusal.detail}})


app = Starlette(
    routes=[Route("/items", items)],
    middleware=[
        Middleware(
            APIKeyMiddleware,
            config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"),
            credential_headers=["x-acme-key"],
            on_refusal=in_our_form,
            rules={"GET /items": {"permission": "items:read", "otherwise": "app"}},
        )
    ],
)
