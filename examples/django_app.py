"""A Django application under Keyfob, in one file.

``keyfob init``, ``keyfob keys create reader --permission items:read``, then
``uvicorn django_app:app --app-dir examples --no-proxy-headers``. In a project of your own, the last lines go into
``asgi.py``, around ``get_asgi_application()``.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from django.core.handlers.asgi import ASGIRequest

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_urlsafe(),  # nothing here is signed with it
)
django.setup()


async def front(_: ASGIRequest) -> HttpResponse:
    """Greet everybody. A public rule names this path, so no key is read."""
    return HttpResponse("This is open to everybody. /items needs a key.\n")


async def items(request: ASGIRequest) -> HttpResponse:
    """List the items, or add one. The rules have seen to the permissions; the grant says which key it was."""
    grant = request.scope["keyfob"]
    if request.method == "POST":
        return JsonResponse({"item": request.GET["item"], "added_by": grant.name}, status=201)
    return JsonResponse({"items": ["kettle", "lamp"], "key": grant.name})


urlpatterns = [path("", front), path("items", items)]

app = APIKeyMiddleware(
    get_asgi_application(),
    config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"),
    rules={"GET /": {"public": True}, "GET /items": "items:read", "POST /items": "items:write"},
)
