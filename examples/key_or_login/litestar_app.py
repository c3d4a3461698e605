"""Litestar: a key in the application's own header, or its own login (JWT), and refusals in its own form.

``keyfob init``, ``keyfob keys create reader --permission items:read``, then
``JWT_SECRET=$(openssl rand -hex 32) uvicorn litestar_app:app --app-dir examples/key_or_login --no-proxy-headers``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import jwt
from litestar import Litestar, Request, get
from litestar.exceptions import NotAuthorizedException
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from starlette.responses import JSONResponse

from keyfob import APIKeyMiddleware, Grant

if TYPE_CHECKING:
    from starlette.types import Scope

    from keyfob import Refusal

SCHEMES = Components(
    security_schemes={
        "Keyfob": SecurityScheme(type="apiKey", name="X-Acme-Key", security_scheme_in="header"),
        "Login": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
    }
)


def caller_of(request: Request[Any, Any, Any]) -> str:
    """Return the key's name, or who has signed in. Raises NotAuthorizedException."""
    grant = request.scope.get("keyfob")
    if isinstance(grant, Grant):
        return grant.name
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        return str(jwt.decode(token, os.environ["JWT_SECRET"], ["HS256"])["sub"])
    except jwt.InvalidTokenError as error:
        raise NotAuthorizedException("sign in, or send a key in X-Acme-Key") from error


@get("/items", security=[{"Keyfob": ["items:read"]}, {"Login": []}])
async def items(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """List the items, for a key or for a person."""
    return {"items": ["kettle", "lamp"], "asked_by": caller_of(request)}


def in_our_form(refusal: Refusal, _: Scope) -> JSONResponse:
    """Write a refusal as this application writes its errors."""
    return JSONResponse({"error": {"code": refusal.code, "message": refusal.detail}})


app = Litestar(
    [items],
    middleware=[
        DefineMiddleware(
            APIKeyMiddleware,  # type: ignore[arg-type]  # Litestar names ASGI's types its own way
            config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"),
            credential_headers=["x-acme-key"],
            on_refusal=in_our_form,
            rules={
                "/schema/{page:path}": {"public": True},
                "GET /items": {"permission": "items:read", "otherwise": "app"},
            },
        )
    ],
    openapi_config=OpenAPIConfig(title="Items", version="1", components=SCHEMES),
)
