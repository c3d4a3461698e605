"""An application that asks for permissions in its own words, and the rules around it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, WebSocket

from keyfob import Grant
from keyfob.fastapi import require

Reader = Annotated[Grant, require("items:read")]
Anybody = Annotated[Grant, require()]
PUBLIC = {"public": True}
RULES: dict[str, Any] = {
    "GET /items": [],
    "GET /both": [],
    "GET /any": [],
    "GET /open": PUBLIC,
    "WS /ws": [],
    "WS /open": PUBLIC,
    "GET /ruled": "items:read",
    "GET /ruled/both": ["items:read", "items:write"],
    "WS /ruled": "items:read",
}


def shop() -> FastAPI:
    """An application that asks for permissions in its own words."""
    app = FastAPI()

    @app.get("/items")
    @app.get("/open")
    async def items(grant: Reader) -> dict[str, str]:
        return {"asked_by": grant.name}

    @app.get("/both", dependencies=[require("items:read", "items:write")])
    async def both() -> str:
        return "both"

    @app.get("/any")
    async def any_key(grant: Anybody) -> str:
        return grant.team

    @app.websocket("/ws")
    @app.websocket("/open")
    async def ws(socket: WebSocket, grant: Reader) -> None:
        await socket.accept(subprotocol=grant.name)

    return app
