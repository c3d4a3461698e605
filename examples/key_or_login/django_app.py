"""Django: a key in the application's own header, or its own login (JWT), and refusals in its own form.

``keyfob init``, ``keyfob keys create reader --permission items:read``, then
``JWT_SECRET=$(openssl rand -hex 32) uvicorn django_app:app --app-dir examples/key_or_login --no-proxy-headers``.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import django
import jwt
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import JsonResponse
from django.urls import path
from starlette.responses import JSONResponse

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from django.core.handlers.asgi import ASGIRequest
    from starlette.types import Scope

    from keyfob import Refusal

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    MIDDLEWARE=["keyfob.django.RequireKeyfob"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_urlsafe(),  # nothing here is signed with it
)
django.setup()


def caller_of(request: ASGIRequest) -> str | None:
    """Return the key's name, or who has signed in, or None."""
    grant = request.scope.get("keyfob")
    if grant is not None:
        return str(grant.name)
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        return str(jwt.decode(token, os.environ["JWT_SECRET"], ["HS256"])["sub"])
    except jwt.InvalidTokenError:
        return None


async def items(request: ASGIRequest) -> JsonResponse:
    """List the items, for a key or for a person."""
    caller = caller_of(request)
    if caller is None:
        error = {"code": "not_signed_in", "message": "sign in, or send a key in X-Acme-Key"}
        return JsonResponse({"error": error}, status=401)
    return JsonResponse({"items": ["kettle", "lamp"], "asked_by": caller})


def in_our_form(refusal: Refusal, _: Scope) -> JSONResponse:
    """Write a refusal as this application writes its errors."""
    return JSONResponse({"error": {"code": refusal.code, "message": refusal.detail}})


urlpatterns = [path("items", items)]

app = APIKeyMiddleware(
    get_asgi_application(),
    config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"),
    credential_headers=["x-acme-key"],
    on_refusal=in_our_form,
    rules={"GET /items": {"permission": "items:read", "otherwise": "app"}},
)
