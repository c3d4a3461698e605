"""FastAPI with a login of its own, whose users make and end the API keys of their team on a page of the application.

``keyfob init``, then ``uvicorn keys_page_fastapi:app --app-dir examples --no-proxy-headers``, and open
http://127.0.0.1:8000/login: sign in as ``ann``, ``bob`` or ``eve``.
"""

from __future__ import annotations

import os
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.middleware.sessions import SessionMiddleware

from keyfob import APIKeyMiddleware
from keyfob_admin import Person, keys_page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

USERS: Final = {  # what this application's own database says
    "ann": Person("1", "Ann Smith", "ann@acme.example", team="acme", role="team_admin", team_name="Acme Ltd"),
    "bob": Person("2", "Bob Brown", "bob@acme.example", team="acme"),
    "eve": Person("1", "Eve Green", "eve@globex.example", team="globex", role="owner", team_name="Globex"),
}
LOGIN: Final = """<!doctype html><html lang="en"><title>Sign in</title>
<form method="post"><label>Name <input name="name" autofocus></label><button>Sign in</button></form>"""


def current_person(request: Request) -> Person | None:
    """Say who is signed in; None for nobody."""
    return USERS.get(request.session.get("user", ""))


page = keys_page(
    config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"),
    who=current_person,
    login_url="/login",
    title="Acme API keys",
    accent="#0a7d55",
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Stop the page with the application."""
    yield
    await page.state.runtime.stop()


app = FastAPI(title="Items", lifespan=lifespan)
app.mount("/settings/api-keys", page)


@app.get("/login")
async def login_form() -> HTMLResponse:
    """Ask for a name. A real application asks for a password, too."""
    return HTMLResponse(LOGIN)


@app.post("/login")
async def login(request: Request) -> RedirectResponse:
    """Begin a session of this application."""
    request.session["user"] = parse_qs((await request.body()).decode()).get("name", [""])[0]
    return RedirectResponse("/settings/api-keys/", 303)


@app.get("/logout")
async def logout(request: Request) -> RedirectResponse:
    """End the session."""
    request.session.clear()
    return RedirectResponse("/login", 303)


@app.get("/items")
async def items(request: Request) -> dict[str, object]:
    """List the items, for a key."""
    return {"items": ["kettle", "lamp"], "team": request.scope["keyfob"].team}


app.add_middleware(
    APIKeyMiddleware,
    config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"),
    rules={
        "GET /items": "items:read",
        "/login": {"public": True},
        "/logout": {"public": True},
        "/settings/api-keys/{path:path}": {"public": True},  # judged by the page itself
    },
)
app.add_middleware(
    SessionMiddleware, secret_key=os.environ.get("SESSION_SECRET") or secrets.token_hex(), same_site="lax"
)
