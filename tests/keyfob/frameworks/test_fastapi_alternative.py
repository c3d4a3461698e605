from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from openapi_spec_validator import validate

from keyfob import Grant
from keyfob.fastapi import require
from tests.keyfob.frameworks.conftest import ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.frameworks.conftest import Guard

ANN = {"Authorization": "Basic YW5uOmFubg=="}  # ann:ann
RULES: dict[str, Any] = {
    "/items": {"permission": "items:read", "otherwise": "app"},
    "/openapi.json": {"public": True},
}
CALLS: list[str] = []


async def current_user(login: Annotated[HTTPBasicCredentials, Depends(HTTPBasic(scheme_name="Login"))]) -> str:
    """The application's own login: it notes that it was asked."""
    CALLS.append(login.username)
    if login.password != login.username:
        raise HTTPException(401, "wrong password", {"WWW-Authenticate": "Basic"})
    return login.username


def shop() -> FastAPI:
    CALLS.clear()
    app = FastAPI()

    @app.get("/items")
    async def items(caller: Annotated[Any, require("items:read", otherwise=current_user)]) -> dict[str, str]:
        return {"caller": caller.name if isinstance(caller, Grant) else f"user {caller}"}

    return app


async def test_either_a_key_or_the_applications_login_is_enough(here: Installation, guard: Guard) -> None:
    """With a key the login is not asked; without one its answer is what the route gets."""
    app = guard(shop(), RULES)
    reader = await here.issue("items:read", name="reader")

    assert {"caller": "reader"} == (await ask(app, "/items", reader.headers)).json()
    assert [] == CALLS
    assert {"caller": "user ann"} == (await ask(app, "/items", ANN)).json()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YW5uOmJvYg=="}])
async def test_the_login_refuses_in_its_own_way(guard: Guard, headers: dict[str, str]) -> None:
    """Neither a key nor a good login: what the application's dependency raises is the answer."""
    answer = await ask(guard(shop(), RULES), "/items", headers)

    assert 401 == answer.status_code
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_a_key_that_may_not_is_refused_without_asking_the_login(here: Installation, guard: Guard) -> None:
    """A key is judged as a key, and never falls back to the login."""
    writer = await here.issue("items:write")

    assert 403 == (await ask(guard(shop(), RULES), "/items", writer.headers)).status_code
    assert [] == CALLS


async def test_overridden_logins_are_used(guard: Guard) -> None:
    """``app.dependency_overrides`` reaches the login, as in any test of a FastAPI application."""
    app = shop()
    app.dependency_overrides[current_user] = lambda: "tester"

    assert {"caller": "user tester"} == (await ask(guard(app, RULES), "/items")).json()


async def test_the_document_shows_both_as_alternatives(guard: Guard) -> None:
    """Each scheme is one alternative, the key's with its permission and the login's without."""
    document = (await ask(guard(shop(), RULES), "/openapi.json")).json()

    validate(document)
    assert [{"Keyfob": ["items:read"]}, {"Login": []}] == document["paths"]["/items"]["get"]["security"]
    assert {"Keyfob", "Login"} == document["components"]["securitySchemes"].keys()
    assert "parameters" not in document["paths"]["/items"]["get"]
