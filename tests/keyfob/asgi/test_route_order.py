"""Where the routes can be read, they are compared with the rules, and what does not fit is named."""

from __future__ import annotations

import logging
from pathlib import Path  # noqa: TC003 - Litestar reads annotations when the program runs
from typing import TYPE_CHECKING, Any

import django.urls
import pytest
from fastapi import APIRouter, FastAPI
from litestar import Litestar, get
from litestar.params import FromPath  # noqa: TC002 - as above
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute

from keyfob.asgi.route_order import misplaced_routes
from keyfob.asgi.routes import ways_of
from keyfob.asgi.unused_rules import unused_rules
from keyfob.rules.compiler import compile_rules
from tests.differential.applications import Ran, django_app

if TYPE_CHECKING:
    from tests.keyfob.conftest import Guard


async def endpoint(*_: object) -> None:
    """What an application does does not matter here."""


def misplaced(app: object, *rules: str) -> list[tuple[str, str, str]]:
    table = compile_rules(dict.fromkeys(rules, "items:read"), known=None, key_types=["api"])
    return [(one.rule.text, one.wider, one.narrower) for one in misplaced_routes(app, table.rules)]


def starlette(*paths: str) -> Starlette:
    return Starlette(routes=[Route(path, endpoint) for path in paths])


WRONG = [
    (starlette("/items/{id}", "/items/export"), "GET /items/export", "/items/{id}", "/items/export"),
    (starlette("/{rest:path}", "/items/{id}"), "/items/{id}", "/{rest:path}", "/items/{id}"),
    (starlette("/{a}/b", "/a/b"), "HEAD /a/b", "/{a}/b", "/a/b"),
    (
        Starlette(routes=[WebSocketRoute("/{all:path}", endpoint), WebSocketRoute("/live", endpoint)]),
        "WS /live",
        "/{all:path}",
        "/live",
    ),
    (
        Starlette(routes=[Mount("/v1", routes=[Route("/{x}", endpoint), Route("/y", endpoint)])]),
        "GET /v1/y",
        "/v1/{x}",
        "/v1/y",
    ),
]


@pytest.mark.cases("FF-46")
@pytest.mark.parametrize(("app", "rule", "wider", "narrower"), WRONG, ids=range(len(WRONG)))
def test_a_wider_route_that_comes_first_is_named(app: object, rule: str, wider: str, narrower: str) -> None:
    """Its handler would run under the narrower route's rule."""
    assert [(rule, wider, narrower)] == misplaced(app, rule, "GET /elsewhere")


RIGHT = [
    (starlette("/items/export", "/items/{id}"), "GET /items/export"),
    (starlette("/items/{id:int}", "/items/export"), "GET /items/export"),
    (starlette("/items/{id}.json", "/items/export"), "GET /items/export"),
    (Starlette(routes=[Route("/{x}", endpoint, methods=["POST"]), Route("/y", endpoint)]), "GET /y"),
    (Starlette(routes=[WebSocketRoute("/{x}", endpoint), Route("/y", endpoint)]), "/y"),
    (endpoint, "GET /y"),
]


@pytest.mark.cases("FF-46")
@pytest.mark.parametrize(("app", "rule"), RIGHT, ids=range(len(RIGHT)))
def test_routes_in_good_order_are_not_named(app: object, rule: str) -> None:
    """A converter that does not take the narrower path, another method, or the right order hides nothing."""
    assert [] == misplaced(app, rule)


@pytest.mark.cases("FF-46")
def test_the_order_of_litestar_is_its_own() -> None:
    """Of two parameters at one place, Litestar takes the one that takes all, however they are registered."""

    @get("/a/{x:str}")
    async def one(x: FromPath[str]) -> str:
        return x

    @get("/a/{rest:path}")
    async def every(rest: FromPath[Path]) -> str:
        return str(rest)

    assert [("GET /a/{x}", "/a/{rest:path}", "/a/{x:str}")] == misplaced(
        Litestar([one, every], logging_config=None), "GET /a/{x}"
    )


@pytest.mark.cases("FF-46")
def test_the_order_of_django_is_that_of_its_url_patterns() -> None:
    """Patterns that are regular expressions are left alone, and those that are included are read."""
    app = django_app([], Ran(), "")
    included = ([django.urls.path("<str:x>/", endpoint), django.urls.path("y/", endpoint)], "shop")
    patterns = [django.urls.re_path("^old/", endpoint), django.urls.path("shop/", django.urls.include(included))]
    django.conf.settings.ROOT_URLCONF = tuple(patterns)
    django.urls.clear_url_caches()
    ways = ways_of(app)

    assert ways is not None
    assert ["/{anything:path}", "/shop/{x:str}/", "/shop/y/"] == [way.text for way in ways]
    assert [("GET /shop/y", "/shop/{x:str}/", "/shop/y/")] == misplaced(app, "GET /shop/y")


@pytest.mark.cases("FF-66")
def test_the_routers_that_fastapi_includes_are_read() -> None:
    """FastAPI 0.165 keeps an included router as a whole; its routes are known all the same, nested ones too."""
    inner, outer, app = APIRouter(prefix="/inner"), APIRouter(prefix="/v1"), FastAPI(openapi_url=None)
    inner.add_api_route("/deep", endpoint)
    inner.add_api_websocket_route("/live", endpoint)
    outer.include_router(inner, prefix="/p")
    outer.add_api_route("/{x}", endpoint, methods=["POST"])
    app.include_router(outer, prefix="/api")
    raw = ["GET /api/v1/p/inner/deep", "WS /api/v1/p/inner/live", "POST /api/v1/{x}", "GET /api/v1/x", "GET /v1/x"]
    table = compile_rules(dict.fromkeys(raw, "items:read"), known=None, key_types=["api"])

    assert ["GET /api/v1/x", "GET /v1/x"] == [rule.text for rule in unused_rules(app, table.rules)]


async def test_what_does_not_fit_is_named_at_start(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """Rules that overlap are named when they are read, routes in the wrong order when the application has started."""
    rules: dict[str, Any] = {"/{team}/members": "members:read", "/docs/{p:path}": {"public": True}, "GET /docs/a": []}
    with caplog.at_level(logging.WARNING, logger="keyfob"):
        middleware = guard(starlette("/docs/{p:path}", "/docs/a", "/{team}/members"), rules=rules)
        middleware._compare_with_routes()

    assert 'need: "/{team}/members" and "/docs/{p:path}"' in caplog.text
    assert 'under the rule "GET /docs/a" the route /docs/{p:path} runs' in caplog.text
    assert "register /docs/a first" in caplog.text


async def test_what_is_named_has_an_end(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """Of many pairs the first ones are named, and the rest is counted."""
    rules = {f"/{{x}}/{name}": "items:read" for name in "abcde"} | {f"/{name}/{{x}}": "items:write" for name in "fghij"}
    with caplog.at_level(logging.WARNING, logger="keyfob"):
        guard(rules=rules)

    assert "and 5 more" in caplog.text
