from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes

from keyfob import ConfigError
from keyfob.fastapi import KeyRefused, api_key, require
from tests.keyfob.frameworks.conftest import ask, knock, whole
from tests.keyfob.frameworks.shop import PUBLIC, RULES, shop

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.frameworks.conftest import Guard


async def test_a_key_with_the_permission_passes_and_the_route_is_given_the_grant(
    here: Installation, guard: Guard
) -> None:
    """The dependency gives what the middleware found out about the key."""
    reader = await here.issue("items:read", name="reader")

    assert {"asked_by": "reader"} == (await ask(guard(shop(), RULES), "/items", reader.headers)).json()


async def test_a_key_without_the_permission_is_answered_as_by_a_rule(here: Installation, guard: Guard) -> None:
    """403, challenge, problem and all: byte for byte what the middleware says for a rule of the same permission."""
    app = guard(shop(), RULES)
    other = await here.issue("items:write")
    by_rule = await ask(app, "/ruled", other.headers)

    assert 403 == by_rule.status_code
    assert 'scope="items:read"' in by_rule.headers["www-authenticate"]
    assert whole(by_rule) == whole(await ask(app, "/items", other.headers))


async def test_a_request_without_a_key_is_answered_as_by_a_rule(guard: Guard) -> None:
    """A public rule let it in, and the route asks for a key: 401, byte for byte what the middleware says."""
    app = guard(shop(), RULES)
    by_rule = await ask(app, "/ruled")

    assert "missing_key" == by_rule.json()["code"]
    assert whole(by_rule) == whole(await ask(app, "/open"))


async def test_the_realm_is_the_middlewares(here: Installation, guard: Guard) -> None:
    """Rules and routes speak of one realm, that of the innermost Keyfob."""
    outer = FastAPI()
    outer.mount("/shop", guard(shop(), RULES, realm="inner"))
    app = guard(shop(), RULES, realm="orders")
    around = guard(outer, {"/shop/{p:path}": PUBLIC}, realm="outer")
    other = await here.issue("items:write")
    answers = [
        await ask(app, "/items", other.headers),
        await ask(app, "/open"),
        await ask(around, "/shop/items", other.headers),
        await ask(around, "/shop/open"),
    ]

    realms = [answer.headers["www-authenticate"].split('"')[1] for answer in answers]
    assert ["orders", "orders", "inner", "inner"] == realms


async def test_what_a_route_refuses_is_logged(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """The key's id, the reason and the path, on one line whatever is in the path, and no secret."""
    app = FastAPI()
    app.get("/items/{name}", dependencies=[require("items:read")])(lambda: None)
    other = await here.issue("items:write")
    guarded = guard(app, {"GET /items/{name}": []})
    with caplog.at_level("INFO", logger="keyfob"):
        await ask(guarded, "/items/é", other.headers)

    (line,) = caplog.messages
    assert line.startswith(
        rf"refused 403 permission by the route: GET '/items/\xe9' from 127.0.0.1, key {other.record.id}, request "
    )


async def test_status_and_challenge_do_not_hang_on_where_starlette_keeps_its_handlers() -> None:
    """An application that keeps them elsewhere answers in its own body, with the right status and headers."""
    connection = HTTPConnection({"type": "http", "path": "/", "keyfob": None})
    with pytest.raises(KeyRefused) as refused:
        await api_key(connection, SecurityScopes(), None)

    assert 401 == refused.value.status_code
    assert {"cache-control": "no-store", "www-authenticate": 'Bearer realm="keyfob"'} == refused.value.headers


async def test_on_a_public_path_no_key_helps(here: Installation, guard: Guard) -> None:
    """Where a rule is public no key is read, so a route that asks for one lets nobody in."""
    reader = await here.issue("items:read")

    assert 401 == (await ask(guard(shop(), RULES), "/open", reader.headers)).status_code


async def test_all_permissions_that_are_named_are_needed(here: Installation, guard: Guard) -> None:
    """One of two is not enough, and the challenge names both in their order, as a rule's does."""
    app = guard(shop(), RULES)
    reader, writer = await here.issue("items:read"), await here.issue("items:write", "items:read")
    refused = await ask(app, "/both", reader.headers)

    assert 200 == (await ask(app, "/both", writer.headers)).status_code
    assert whole(await ask(app, "/ruled/both", reader.headers)) == whole(refused)
    assert 'scope="items:read items:write"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize("held", ["items:*", "*"])
async def test_a_wildcard_covers_what_a_route_names(here: Installation, guard: Guard, held: str) -> None:
    """A key that holds everything under ``items:`` may read items."""
    issued = await here.issue(held)

    assert 200 == (await ask(guard(shop(), RULES), "/items", issued.headers)).status_code


async def test_a_route_that_names_no_permission_needs_any_key(here: Installation, guard: Guard) -> None:
    """`require()` alone asks only for a valid key."""
    app = guard(shop(), RULES)
    issued = await here.issue("else:where")

    assert "default" == (await ask(app, "/any", issued.headers)).json()
    assert 401 == (await ask(app, "/any")).status_code


async def test_without_the_middleware_nobody_passes(here: Installation) -> None:
    """A route that asks for a key, in an application that nothing guards, is a mistake that says so."""
    reader = await here.issue("items:read")

    assert 500 == (await ask(shop(), "/items", reader.headers)).status_code
    with pytest.raises(ConfigError, match=r"no APIKeyMiddleware is around it; .* APIKeyMiddleware\(app"):
        await knock(shop(), "/ws", reader.headers)


FORGED = [
    {"keyfob": "Grant(*)"},
    {"X-Keyfob-Permissions": "items:read", "X-Keyfob-Key-Id": "7Qx2mB9tKd03LpWz"},
    {"X-Forwarded-User": "admin"},
    {"Cookie": "keyfob=1", "Authorization": "Basic YTpi"},
]


@pytest.mark.parametrize("headers", FORGED)
async def test_nothing_that_a_client_sends_makes_a_grant(guard: Guard, headers: dict[str, str]) -> None:
    """The dependency believes the middleware alone."""
    assert 401 == (await ask(guard(shop(), RULES), "/open?keyfob=1", headers)).status_code


async def test_a_disabled_key_never_gets_to_the_dependency(here: Installation, guard: Guard) -> None:
    """The middleware refuses it first, and says no more than for any key that is not valid."""
    app, reached = FastAPI(), []

    @app.get("/items", dependencies=[Depends(lambda: reached.append(1)), require("items:read")])
    async def items() -> None: ...

    guarded = guard(app, RULES)
    issued = await here.issue("items:read")
    assert 200 == (await ask(guarded, "/items", issued.headers)).status_code
    await here.disable(issued)

    assert "invalid_key" == (await ask(guarded, "/items", issued.headers)).json()["code"]
    assert [1] == reached
