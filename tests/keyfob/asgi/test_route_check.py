"""The routes of an application beside the rules, for each framework whose routes can be read."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from litestar import Litestar, WebSocket, get, post, websocket
from litestar.middleware import DefineMiddleware
from quart import Quart
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route, WebSocketRoute

from keyfob import APIKeyMiddleware
from keyfob.asgi.route_check import RouteCheck, check_routes
from keyfob.config.settings import Settings
from keyfob.policy.catalogue import build_catalogue

if TYPE_CHECKING:
    from keyfob.testing import Installation

RULES: dict[str, object] = {
    "GET /items/{id}": "items:read",
    "POST /items": {"any_of": ["items:write", "items:import"]},
    "WS /live": "items:live",
    "GET /open": {"public": True},
}
GUARD: dict[str, Any] = {"store": "sqlite:///nowhere.db", "rules": RULES}


async def endpoint(*_: Any) -> Any:
    """What it does does not matter here."""


def starlette(here: Installation) -> object:
    routes = [
        Route("/items/{id}", endpoint),
        Mount("/", routes=[Route("/items", endpoint, methods=["POST"])]),
        WebSocketRoute("/live", endpoint),
        Route("/open", endpoint),
    ]
    return Starlette(routes=routes, middleware=[Middleware(APIKeyMiddleware, **GUARD)])


def fastapi(here: Installation) -> object:
    app = FastAPI(openapi_url=None)
    app.add_api_route("/items/{id}", endpoint)
    app.add_api_route("/items", endpoint, methods=["POST"])
    app.add_api_websocket_route("/live", endpoint)
    app.add_api_route("/open", endpoint)
    app.add_middleware(APIKeyMiddleware, **GUARD)
    return app


def litestar(here: Installation) -> object:
    guard: Any = APIKeyMiddleware

    @get("/items/{id:str}")
    async def one() -> None: ...

    @post("/items")
    async def add() -> None: ...

    @websocket("/live")
    async def live(socket: WebSocket[Any, Any, Any]) -> None: ...

    @get("/open")
    async def front() -> None: ...

    return Litestar(
        [one, add, live, front], middleware=[DefineMiddleware(guard, **here.options, rules=RULES)], openapi_config=None
    )


def quart(here: Installation) -> object:
    app = Quart(__name__, static_folder=None)
    app.add_url_rule("/items/<int:id>", "one", endpoint)
    app.add_url_rule("/items", "add", endpoint, methods=["POST"])
    app.add_websocket("/live", "live", endpoint)
    app.add_url_rule("/open", "open", endpoint)
    app.asgi_app = APIKeyMiddleware(app.asgi_app, **here.options, rules=RULES)  # type: ignore[method-assign, assignment]
    return app


def check(app: object, rules: dict[str, object] | None = None) -> RouteCheck:
    return check_routes(app, Settings(rules=rules or {}), build_catalogue(rules_named=["items:read", "items:write"]))


def shown(found: RouteCheck) -> set[tuple[str, str | None, tuple[str, ...]]]:
    return {
        (route.method, route.rule, () if route.demands is None else route.demands.needed)
        for route in found.routes or ()
    }


@pytest.mark.parametrize("make", [starlette, fastapi, litestar, quart])
async def test_every_route_is_listed_with_what_it_needs(make: Any, here: Installation) -> None:
    """By the rules of the Keyfob around or in the application, whatever the configuration says.

    Middleware that the framework has yet to make needs neither a keyring nor a database for that.
    """
    found = check(make(here))

    assert {
        ("GET", "GET /items/{id}", ("items:read",)),
        ("POST", "POST /items", ("items:write", "items:import")),
        ("WS", "WS /live", ("items:live",)),
        ("GET", "GET /open", ()),
    } == shown(found)
    assert found.is_fine


DJANGO = """
import django
from django.conf import settings
settings.configure(ROOT_URLCONF=__name__)
django.setup()
from django.core.handlers.asgi import ASGIHandler
from django.urls import include, path
def view(request): ...
urlpatterns = [path("items", view), path("shop/", include([path("<int:id>/more", view), path("<path:rest>", view)]))]
from keyfob.asgi.route_check import check_routes
from keyfob.config.settings import Settings
from keyfob.policy.catalogue import build_catalogue
rules = {"GET /items": "items:read", "POST /items": "items:write", "/shop/{id}/more": []}
found = check_routes(ASGIHandler(), Settings(rules=rules), build_catalogue(rules_named=["items:read", "items:write"]))
print([(route.method, route.path, route.rule) for route in found.routes], found.is_fine)
"""


def test_django_names_no_methods() -> None:
    """A view may answer any method: those that rules tell apart are listed, or all as one."""
    done = subprocess.run([sys.executable, "-c", DJANGO], check=True, capture_output=True, text=True, timeout=60)

    routes = [
        ("GET", "/items", "GET /items"),
        ("POST", "/items", "POST /items"),
        ("*", "/shop/{id:int}/more", "/shop/{id}/more"),
        ("*", "/shop/{rest:path}", None),
    ]
    assert f"{routes} False" == done.stdout.strip()


def test_what_does_not_fit_is_named() -> None:
    """A route without a rule, a rule without a route, and a wider route before a narrower one."""
    app = Starlette(
        routes=[Route("/items/{id}", endpoint), Route("/items/export", endpoint), Route("/forgotten", endpoint)]
    )
    found = check(app, {"GET /items/{id}": "items:read", "GET /items/export": [], "GET /misspelt": "items:read"})

    assert ("GET", None, ()) in shown(found)
    assert ["GET /misspelt"] == [rule.text for rule in found.unused]
    assert ["/items/export"] == [one.narrower for one in found.misplaced]
    assert not found.is_fine


def test_a_router_that_nobody_can_read_is_said_so() -> None:
    """A plain ASGI application has no routes to list."""
    assert check(endpoint).routes is None


@pytest.mark.parametrize(
    ("rules", "is_fine"),
    [
        ({"GET /a": []}, True),
        ({"/a": []}, True),
        ({"/{rest:path}": []}, True),
        ({"POST /a": []}, False),
        ({"GET /a": [], "GET /b": []}, False),
        ({"GET /a/{b}": []}, False),
    ],
)
def test_fine_means_that_all_fits(rules: dict[str, object], *, is_fine: bool) -> None:
    """Every route has a rule and every rule a route."""
    assert is_fine is check(Starlette(routes=[Route("/a", endpoint)]), rules).is_fine
