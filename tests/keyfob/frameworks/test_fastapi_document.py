from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, FastAPI
from openapi_spec_validator import validate

from keyfob.fastapi import require
from tests.keyfob.frameworks.conftest import ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.frameworks.conftest import Guard

RULES: dict[str, Any] = {"/items": [], "GET /docs": {"public": True}, "GET /openapi.json": {"public": True}}


def described(**settings: Any) -> FastAPI:
    """Routes that need different things."""
    app, router = FastAPI(**settings), APIRouter(dependencies=[require("items:read")])
    app.get("/open")(lambda: None)
    app.get("/any", dependencies=[require()])(lambda: None)
    app.get("/items", dependencies=[require("items:read")])(lambda: "items")
    app.post("/items", dependencies=[require("items:write", "items:read")])(lambda: None)
    router.delete("/items", dependencies=[require("items:delete"), require("items:read")])(lambda: None)
    app.include_router(router)
    return app


async def document_of(app: FastAPI, guard: Guard) -> dict[str, Any]:
    """What is served, to anybody: a public rule lets tools read it."""
    document: dict[str, Any] = (await ask(guard(app, RULES), "/openapi.json")).json()
    return document


async def test_the_document_names_the_permissions_of_each_route(guard: Guard) -> None:
    """OpenAPI's ``security`` says of every operation what its routes and routers require, and of no other anything."""
    document = await document_of(described(), guard)
    needed = {
        (method, path): operation.get("security")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }

    assert {
        ("get", "/open"): None,
        ("get", "/any"): [{"Keyfob": []}],
        ("get", "/items"): [{"Keyfob": ["items:read"]}],
        ("post", "/items"): [{"Keyfob": ["items:write", "items:read"]}],
        ("delete", "/items"): [{"Keyfob": ["items:read", "items:delete"]}],
    } == needed


async def test_the_document_says_how_a_key_is_sent(here: Installation, guard: Guard) -> None:
    """A key that is sent as the document's one scheme says is let in, as Swagger's Authorize does it."""
    document = await document_of(described(), guard)
    schemes = document["components"]["securitySchemes"]
    reader = await here.issue("items:read")

    assert {"Keyfob": ("http", "bearer")} == {name: (one["type"], one["scheme"]) for name, one in schemes.items()}
    sent = {"Authorization": f"{schemes['Keyfob']['scheme'].capitalize()} {reader.text}"}
    assert "items" == (await ask(guard(described(), RULES), "/items", sent)).json()


async def test_the_document_is_valid(guard: Guard) -> None:
    """Names beside a scheme that is not OAuth's are what OpenAPI 3.1 allows (3.1.0, section 4.8.30)."""
    document = await document_of(described(), guard)

    assert document["openapi"].startswith("3.1.")
    validate(document)


async def test_no_other_parameter_is_asked_for(guard: Guard) -> None:
    """The dependency takes nothing from the request that a caller would have to fill in."""
    document = await document_of(described(), guard)

    assert [] == [
        operation
        for operations in document["paths"].values()
        for operation in operations.values()
        if "parameters" in operation or "requestBody" in operation
    ]


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_without_a_public_rule_nobody_sees_the_pages(guard: Guard, path: str) -> None:
    """FastAPI's own pages are paths like any other: what no rule names is refused."""
    assert 401 == (await ask(guard(described(), {"/items": []}), path)).status_code


async def test_an_application_can_require_a_key_for_all_its_routes(here: Installation, guard: Guard) -> None:
    """``FastAPI(dependencies=[require()])`` asks everywhere, and what a route requires comes on top."""
    app = described(dependencies=[require()])
    other, reader = await here.issue("else:where"), await here.issue("items:read")
    guarded = guard(app, RULES | {"GET /open": {"public": True}})

    assert 401 == (await ask(guarded, "/open")).status_code
    assert 403 == (await ask(guarded, "/items", other.headers)).status_code
    assert 200 == (await ask(guarded, "/items", reader.headers)).status_code
    assert [{"Keyfob": []}] == app.openapi()["paths"]["/open"]["get"]["security"]
