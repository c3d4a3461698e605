"""The applications of `bench.http`: the same route, ``GET /items``, bare and behind three kinds of guard.

A server runs them as ``bench.http_apps:make``, with what is wanted as JSON in ``BENCH_APP``; see `Wanted`.
"""

from __future__ import annotations

import inspect
import json
import os
from typing import TYPE_CHECKING, Any, TypedDict

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.admit import DictBackend
from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

RULES: dict[str, Any] = {
    "GET /items": "items:read",
    "GET /items/{id}": "items:read",
    "POST /items": "items:write",
    "GET /stats": {"public": True},
}


class Wanted(TypedDict):
    """What is to be served."""

    kind: str  # one of `KINDS`
    store: str
    keyring: str
    keys: dict[str, tuple[str, list[str]]]  # the good key, as the guard written by hand knows it


async def _items(_: Request) -> JSONResponse:
    return JSONResponse({"items": [1, 2, 3]})


def starlette(_: Wanted) -> ASGIApp:
    """Starlette alone."""
    return Starlette(routes=[Route("/items", _items)])


def by_hand(wanted: Wanted) -> ASGIApp:
    """Starlette with what one writes by hand: its own middleware, and the keys in a dictionary."""
    return AuthenticationMiddleware(starlette(wanted), DictBackend(wanted["keys"]))


def keyfob_on_starlette(wanted: Wanted) -> ASGIApp:
    """Starlette behind Keyfob, as the README shows it; its counts can be read at ``/stats``."""
    app = Starlette(routes=[Route("/items", _items), Route("/stats", _stats)])
    app.state.guard = APIKeyMiddleware(app, store=wanted["store"], keyring=wanted["keyring"], rules=RULES)
    guard: ASGIApp = app.state.guard
    return guard


def fastapi(_: Wanted) -> ASGIApp:
    """FastAPI alone."""
    app = FastAPI()

    @app.get("/items")
    async def items() -> dict[str, list[int]]:
        return {"items": [1, 2, 3]}

    return app


def keyfob_on_fastapi(wanted: Wanted) -> ASGIApp:
    """FastAPI behind Keyfob, added as FastAPI's users add a middleware."""
    app = fastapi(wanted)
    assert isinstance(app, FastAPI)
    app.add_middleware(APIKeyMiddleware, store=wanted["store"], keyring=wanted["keyring"], rules=RULES)
    return app


async def _stats(request: Request) -> JSONResponse:
    return JSONResponse(dict(request.app.state.guard.stats))


KINDS: dict[str, Callable[[Wanted], ASGIApp]] = {
    "starlette": starlette,
    "by hand": by_hand,
    "keyfob": keyfob_on_starlette,
    "fastapi": fastapi,
    "keyfob on fastapi": keyfob_on_fastapi,
}


def make() -> ASGIApp:
    """Build the application that ``BENCH_APP`` asks for."""
    wanted: Wanted = json.loads(os.environ["BENCH_APP"])
    return KINDS[wanted["kind"]](wanted)


def lines(kind: Callable[..., object]) -> int:
    """How many lines it takes to put a guard around an application: those of the function, without its docstring."""
    return sum(
        bool(line.strip()) and not line.strip().startswith(('"""', "#", "def "))
        for line in inspect.getsource(kind).splitlines()
    )
