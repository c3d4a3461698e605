"""An application without any framework, under Keyfob.

``keyfob init``, ``keyfob keys create reader --permission items:read``, then
``uvicorn plain_asgi_app:app --app-dir examples --no-proxy-headers``.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


async def items(scope: Scope, _: Receive, send: Send) -> None:
    """Answer every request that Keyfob lets through. ``scope["keyfob"]`` says which key it came with."""
    if scope["type"] != "http":
        message = f"this application answers http, not {scope['type']}"  # a server takes that for "no lifespan"
        raise ValueError(message)
    grant = scope["keyfob"]  # None on a public path
    body = json.dumps({"path": scope["path"], "key": grant and grant.name}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = APIKeyMiddleware(
    items,
    config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"),
    rules={"GET /items": "items:read", "POST /items": "items:write", "GET /": {"public": True}},
)
