from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBasic
from openapi_spec_validator import validate

from keyfob import APIKeyMiddleware, ConfigError
from keyfob.fastapi import describe, require
from tests.keyfob.frameworks.conftest import ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.frameworks.conftest import Guard

RULES: dict[str, Any] = {
    "GET /items": "items:read",
    "POST /items": ["items:read", "items:write"],
    "/items/{item}": {"any_of": ["items:read", "items:write"]},
    "GET /health": {"public": True},
    "GET /mine": {"permission": "items:read", "otherwise": "app"},
    "GET /own": "items:read",
    "/openapi.json": {"public": True},
}


def shop() -> FastAPI:
    app = FastAPI()
    for path in ("/items", "/health", "/nowhere", "/mine"):
        app.get(path)(lambda: "ok")
    app.get("/items/{id}")(lambda id: id)  # noqa: A006 - the name in the path
    app.post("/items")(lambda: "made")
    app.get("/own", dependencies=[require("items:write")])(lambda: "ok")
    app.get("/login", dependencies=[Depends(HTTPBasic())])(lambda: "ok")
    return app


def securities(document: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{method} {path}": operation.get("security")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


async def test_routes_that_only_rules_guard_are_described(guard: Guard) -> None:
    """Each says what its rule asks for; public ones and those that say it themselves stay as they are."""
    app = guard(shop(), RULES)
    describe(app)

    document = (await ask(app, "/openapi.json")).json()

    validate(document)
    assert {
        "get /items": [{"Keyfob": ["items:read"]}],
        "post /items": [{"Keyfob": ["items:read", "items:write"]}],
        "get /items/{id}": [{"Keyfob": ["items:read"]}, {"Keyfob": ["items:write"]}],
        "get /health": None,
        "get /nowhere": None,
        "get /mine": [{"Keyfob": ["items:read"]}, {}],
        "get /own": [{"Keyfob": ["items:write"]}],
        "get /login": [{"HTTPBasic": []}],
    } == securities(document)
    assert {"200", "401", "403", "429"} == document["paths"]["/items"]["get"]["responses"].keys()
    assert {"200"} == document["paths"]["/health"]["get"]["responses"].keys()


async def test_a_middleware_that_was_added_is_found(here: Installation) -> None:
    """``app.add_middleware`` is the usual way, and describing twice adds nothing."""
    app = shop()
    app.add_middleware(APIKeyMiddleware, **here.options, rules=RULES)
    describe(app)
    describe(app)

    assert [{"Keyfob": ["items:read"]}] == securities(app.openapi())["get /items"]
    assert app.openapi() is app.openapi()


@pytest.mark.parametrize(
    ("options", "scheme"),
    [
        ({}, {"type": "http", "scheme": "bearer", "description": "An API key, sent as `Authorization: Bearer <key>`."}),
        ({"authorization_schemes": ["token"]}, {"scheme": "token"}),
        ({"authorization_schemes": ["basic"]}, {"scheme": "basic"}),
        ({"credential_headers": ["x-acme-key"]}, {"type": "apiKey", "in": "header", "name": "X-Acme-Key"}),
    ],
)
async def test_the_scheme_is_how_keys_are_sent(guard: Guard, options: dict[str, Any], scheme: dict[str, str]) -> None:
    """A header or scheme of the application's own is in the document, for routes with `require` as well."""
    app = guard(shop(), RULES, **options)
    describe(app)

    document = (await ask(app, "/openapi.json")).json()

    validate(document)
    assert scheme.items() <= document["components"]["securitySchemes"]["Keyfob"].items()


def test_without_the_middleware_there_is_nothing_to_describe() -> None:
    """Called before add_middleware, it says so."""
    with pytest.raises(ConfigError, match="add_middleware"):
        describe(FastAPI())
