from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Host, Mount, Route, WebSocketRoute

from examples import teams_api
from keyfob.asgi.unused_rules import unused_rules
from keyfob.rules.compiler import compile_rules


async def endpoint(*_: object) -> None:
    """What an application does does not matter here."""


class Whole(HTTPEndpoint):
    """An endpoint for whatever methods it has."""


ROUTES = [
    Route("/", endpoint),
    Route("/items", endpoint, methods=["GET", "POST"]),
    Route("/items/{item:int}/parts/{name}.txt", endpoint),
    Route("/files/{where:path}", endpoint),
    Route("/whole", Whole),
    WebSocketRoute("/live/{room}", endpoint),
    Mount("/static", endpoint),
    Mount("/api/{version}", routes=[Route("/users", endpoint), Mount("/deep", routes=[Route("/er/", endpoint)])]),
]
APP = Starlette(routes=ROUTES, middleware=[Middleware(GZipMiddleware)])


def idle(app: object, *rules: str) -> list[str]:
    table = compile_rules(dict.fromkeys(rules, "items:read"), known=None, key_types=["api"])
    return [rule.text for rule in unused_rules(app, table.rules)]


MET = ["GET /", "GET /items", "HEAD /items", "POST /items", "OPTIONS /items", "/items", "GET /items/7/parts/a.txt"]
MET += [
    "GET /items/{item}/parts/{part}",
    "GET /items/{rest:path}",
    "GET /files/a/b",
    "GET /files/{x:path}",
    "PATCH /whole",
]
MET += ["WS /live/{room}", "WS /live/one", "/live/one", "GET /static/x.css", "GET /static/{x:path}", "DELETE /static/x"]
MET += ["GET /api/v1/users", "GET /api/{version}/users", "GET /api/v1/deep/er", "GET /{all:path}"]
IDLE = [
    "GET /item",
    "PUT /items",
    "GET /items/{item}",
    "GET /items/7/parts",
    "GET /live/{room}",
    "WS /items",
    "GET /statics/x",
]
IDLE += ["GET /api/v1/user", "POST /api/v1/users", "GET /users", "GET /api/v1/deep/err", "GET /files2/{x:path}"]


@pytest.mark.cases("PM-17")
@pytest.mark.parametrize("rule", MET)
def test_a_rule_that_a_route_answers_to_is_not_idle(rule: str) -> None:
    """Whatever is written for a part of a path on either side, and wherever the route is mounted."""
    assert [] == idle(APP, rule)


@pytest.mark.cases("PM-17")
@pytest.mark.parametrize("rule", IDLE)
def test_a_rule_that_no_route_answers_to_is_idle(rule: str) -> None:
    """A misspelled path, a method that no route has, a WebSocket for HTTP: nobody could ever be let in by it."""
    assert [rule] == idle(APP, rule, "GET /items")


def test_what_is_around_the_routes_does_not_hide_them() -> None:
    """Middleware, however much of it, keeps what it wraps as its app."""
    app: object = APP
    for _ in range(9):
        app = GZipMiddleware(app)  # type: ignore[arg-type] # the last one is an application, too

    assert ["GET /item"] == idle(app, "GET /items", "GET /item")


@pytest.mark.parametrize(
    "app",
    [endpoint, Starlette(routes=[Host("a.example", endpoint)]), Starlette(routes=[Mount("/", endpoint)])],
    ids=["a function", "by host", "mounted at the root"],
)
def test_no_rule_is_idle_where_the_routes_are_not_known(app: object) -> None:
    """Of another kind of application nothing can be told."""
    assert [] == idle(app, "GET /anything")


def test_the_routes_of_fastapi_are_known() -> None:
    """Those that it makes for its documents are routes like any other."""
    app = FastAPI()
    app.get("/items/{item}")(endpoint)
    assert ["GET /item/{item}"] == idle(app, "GET /items/{item}", "GET /docs", "GET /item/{item}")

    app.include_router(APIRouter(prefix="/v1", routes=[Route("/x", endpoint)]))
    assert ["GET /v1/y"] == idle(app, "GET /v1/y", "GET /docs")


def test_no_rule_of_the_example_is_idle() -> None:
    """The example shows rules that all mean something."""
    table = compile_rules(teams_api.RULES, known=None, key_types=["api", "computer", "scim"])

    assert [] == unused_rules(Starlette(routes=teams_api.routes()), table.rules)
