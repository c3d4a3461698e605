"""FastAPI: a key in the application's own header, or its own login (JWT), and refusals in its own form.

``keyfob init``, ``keyfob keys create reader --permission items:read``, then
``JWT_SECRET=$(openssl rand -hex 32) uvicorn fastapi_app:app --app-dir examples/key_or_login --no-proxy-headers``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from keyfob import APIKeyMiddleware, Grant
from keyfob.fastapi import describe, require

if TYPE_CHECKING:
    from starlette.types import Scope

    from keyfob import Refusal

app = FastAPI(title="Items")
login = HTTPBearer(scheme_name="Login", bearerFormat="JWT", auto_error=False)


async def current_user(token: Annotated[HTTPAuthorizationCredentials | None, Depends(login)]) -> str:
    """Return who has signed in. It is asked only if the request carries no key. Raises HTTPException."""
    try:
        claims: dict[str, Any] = jwt.decode(token.credentials if token else "", os.environ["JWT_SECRET"], ["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "sign in, or send a key in X-Acme-Key") from error
    return str(claims["sub"])


@app.get("/items")
async def items(caller: Annotated[Grant | str, require("items:read", otherwise=current_user)]) -> dict[str, Any]:
    """List the items, for a key or for a person."""
    return {"items": ["kettle", "lamp"], "asked_by": caller.name if isinstance(caller, Grant) else caller}


def in_our_form(refusal: Refusal, _: Scope) -> JSONResponse:
    """Write a refusal as this application writes its errors."""
    return JSONResponse({"error": {"code": refusal.code, "message": refusal.detail}})


app.add_middleware(
    APIKeyMiddleware,
    config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"),
    credential_headers=["x-acme-key"],
    on_refusal=in_our_form,
    rules={
        "GET /openapi.json": {"public": True},
        "GET /items": {"permission": "items:read", "otherwise": "app"},
    },
)
describe(app)
