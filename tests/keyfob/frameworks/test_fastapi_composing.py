from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security

from keyfob import APIKeyMiddleware, ConfigError, Grant
from keyfob.fastapi import require
from tests.keyfob.frameworks.conftest import ask, whole
from tests.keyfob.frameworks.shop import PUBLIC, RULES, Anybody, shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.testing import Installation
    from tests.keyfob.frameworks.conftest import Guard


async def test_the_answer_is_the_same_under_add_middleware(here: Installation, guard: Guard) -> None:
    """Keyfob in FastAPI's own list of middleware is as good as Keyfob around it."""
    app = shop()
    app.add_middleware(APIKeyMiddleware, rules=RULES, **here.options)
    other = await here.issue("items:write")
    inside = await ask(app, "/items", other.headers)
    keyfob: Any = app.middleware_stack
    while not isinstance(keyfob, APIKeyMiddleware):
        keyfob = keyfob.app
    await keyfob.runtime.stop()

    assert whole(await ask(guard(shop(), RULES), "/items", other.headers)) == whole(inside)


async def test_a_router_and_its_route_both_ask(here: Installation, guard: Guard) -> None:
    """What a router requires is needed beside what its route requires."""
    app, router = FastAPI(), APIRouter(dependencies=[require("items:read")])

    @router.get("/items", dependencies=[require("items:write")])
    async def items() -> None: ...

    app.include_router(router)
    guarded = guard(app, RULES)
    for held, status in {("items:read",): 403, ("items:write",): 403, ("items:read", "items:write"): 200}.items():
        issued = await here.issue(*held)
        assert status == (await ask(guarded, "/items", issued.headers)).status_code


async def owner(grant: Anybody) -> str:
    return grant.name


async def test_scopes_of_an_outer_security_are_needed_too(here: Installation, guard: Guard) -> None:
    """A dependency over `require()` can be given scopes, which the document shows, so they are held to be needed."""
    app = FastAPI()

    @app.get("/items")
    async def items(name: Annotated[str, Security(owner, scopes=["items:read"])]) -> str:
        return name

    guarded = guard(app, RULES)
    other, reader = await here.issue("items:write"), await here.issue("items:read", name="R")

    assert 403 == (await ask(guarded, "/items", other.headers)).status_code
    assert "R" == (await ask(guarded, "/items", reader.headers)).json()
    assert [{"Keyfob": ["items:read"]}] == app.openapi()["paths"]["/items"]["get"]["security"]


async def test_a_grant_can_be_a_default_value(here: Installation, guard: Guard) -> None:
    """`require` also stands where FastAPI's older style has ``Security(...)``."""
    app = FastAPI()

    @app.get("/items")
    async def items(grant: Grant = require("items:read")) -> str:  # noqa: B008 - this is what is tried
        return grant.name

    issued = await here.issue("items:read", name="R")

    assert "R" == (await ask(guard(app, RULES), "/items", issued.headers)).json()


@pytest.mark.parametrize("wrap", [Depends, Security])
async def test_a_requirement_can_be_wrapped(here: Installation, guard: Guard, wrap: Callable[[Any], Any]) -> None:
    """Who writes ``Depends(require(…))`` or ``Security(require(…))`` gets the same, in the document, too."""
    app = FastAPI()
    both = Annotated[Grant, wrap(require("items:read", "items:write"))]

    async def items(grant: Any) -> str:
        return str(grant.name)

    items.__annotations__["grant"] = both
    app.get("/items", dependencies=[wrap(require("items:read"))])(items)
    guarded = guard(app, RULES)
    reader, writer = await here.issue("items:read"), await here.issue("items:read", "items:write", name="W")

    assert 403 == (await ask(guarded, "/items", reader.headers)).status_code
    assert "W" == (await ask(guarded, "/items", writer.headers)).json()
    assert [{"Keyfob": ["items:read", "items:write"]}] == app.openapi()["paths"]["/items"]["get"]["security"]


async def test_a_mounted_application_asks_the_keyfob_around_all(here: Installation, guard: Guard) -> None:
    """The grant goes down with the request, and the answer is the same at any depth."""
    outer = FastAPI()
    outer.mount("/shop", shop())
    guarded = guard(outer, {"/shop/{p:path}": [], "/ruled": "items:read"})
    reader, other = await here.issue("items:read"), await here.issue("items:write")

    assert 200 == (await ask(guarded, "/shop/items", reader.headers)).status_code
    assert whole(await ask(guarded, "/ruled", other.headers)) == whole(await ask(guarded, "/shop/items", other.headers))


async def test_a_mounted_application_with_a_keyfob_of_its_own_asks_that(here: Installation, guard: Guard) -> None:
    """What is public outside is guarded inside, by rules that are relative to the mount."""
    outer = FastAPI()
    outer.mount("/shop", guard(shop(), RULES))
    guarded = guard(outer, {"/shop/{p:path}": PUBLIC})
    reader, other = await here.issue("items:read"), await here.issue("items:write")

    for headers, status in ((reader.headers, 200), (other.headers, 403), (None, 401)):
        assert status == (await ask(guarded, "/shop/items", headers)).status_code


@pytest.mark.parametrize("wrong", ["items:*", "*", "items", "", "items:read items:write", ["items:read"], None])
def test_what_no_rule_could_name_cannot_be_required(wrong: Any) -> None:
    """A mistake in a permission is told when the module is loaded."""
    with pytest.raises(ConfigError, match="is not a permission"):
        require("items:read", wrong)


async def test_a_requirement_that_nobody_called_lets_nobody_in(here: Installation, guard: Guard) -> None:
    """``Depends(require)``, without the parentheses, is a mistake that refuses."""
    app = FastAPI()
    app.get("/items", dependencies=[Depends(require)])(lambda: "in")
    reader = await here.issue("items:read")
    guarded = guard(app, RULES)

    for query in ("", "?permissions=items:read"):
        assert (await ask(guarded, f"/items{query}", reader.headers)).status_code >= 400
