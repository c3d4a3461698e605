from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Security, WebSocket
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import PlainTextResponse

from keyfob import APIKeyMiddleware, ConfigError, Grant
from keyfob.fastapi import KeyRefused, api_key, require
from tests.frameworks.conftest import ask, knock, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.frameworks.conftest import Guard

Reader = Annotated[Grant, require("items:read")]
Anybody = Annotated[Grant, require()]
PUBLIC = {"public": True}
RULES: dict[str, Any] = {
    "GET /items": [],
    "GET /both": [],
    "GET /any": [],
    "GET /open": PUBLIC,
    "WS /ws": [],
    "WS /open": PUBLIC,
    "GET /ruled": "items:read",
    "GET /ruled/both": ["items:read", "items:write"],
    "WS /ruled": "items:read",
}


def shop() -> FastAPI:
    """An application that asks for permissions in its own words."""
    app = FastAPI()

    @app.get("/items")
    @app.get("/open")
    async def items(grant: Reader) -> dict[str, str]:
        return {"asked_by": grant.name}

    @app.get("/both", dependencies=[require("items:read", "items:write")])
    async def both() -> str:
        return "both"

    @app.get("/any")
    async def any_key(grant: Anybody) -> str:
        return grant.team

    @app.websocket("/ws")
    @app.websocket("/open")
    async def ws(socket: WebSocket, grant: Reader) -> None:
        await socket.accept(subprotocol=grant.name)

    return app


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

    assert [rf"refused 403 permission by the route: GET '/items/\xe9', key {other.record.id}"] == caplog.messages


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


# -- exception handlers of the application


async def test_a_handler_for_every_http_exception_does_not_change_the_answer(here: Installation, guard: Guard) -> None:
    """All that Keyfob refuses looks alike, by rule or by route, whatever the application says in its own errors."""
    app = shop()
    for broad in (HTTPException, StarletteHTTPException, Exception):
        app.add_exception_handler(broad, lambda *_: PlainTextResponse("ours", 418))
    other = await here.issue("items:write")
    guarded = guard(app, RULES)

    assert whole(await ask(guarded, "/ruled", other.headers)) == whole(await ask(guarded, "/items", other.headers))


@pytest.mark.parametrize("what", [KeyRefused, 403])
async def test_an_application_can_answer_in_its_own_words(
    here: Installation, guard: Guard, what: type[Exception] | int
) -> None:
    """A handler for `KeyRefused`, or for the status, is asked first; it finds what the answer should say."""
    app = shop()

    async def handler(_: Request, refused: Exception) -> PlainTextResponse:
        assert isinstance(refused, KeyRefused)
        return PlainTextResponse(f"{refused.detail} {refused.denied.needed}", refused.status_code, refused.headers)

    app.add_exception_handler(what, handler)
    other = await here.issue("items:write")
    answer = await ask(guard(app, RULES), "/items", other.headers)

    assert (403, "The API key is not allowed to do this. ('items:read',)") == (answer.status_code, answer.text)
    assert 'Bearer realm="keyfob", error="insufficient_scope", scope="items:read"' == answer.headers["www-authenticate"]
    assert "no-store" == answer.headers["cache-control"]


async def test_a_grant_in_the_scope_is_enough() -> None:
    """A test of one's own puts a grant there, as the middleware does, and is refused as by it."""
    app, grant = shop(), Grant("7Qx2mB9tKd03LpWz", "reader", "api", "default", frozenset({"items:read"}))

    async def granted(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "keyfob": grant}, receive, send)

    assert {"asked_by": "reader"} == (await ask(granted, "/items")).json()
    assert "insufficient_scope" == (await ask(granted, "/both")).json()["code"]


async def test_tests_can_stand_in_for_the_key() -> None:
    """``dependency_overrides`` of `api_key` gives routes a grant without a middleware."""
    app = shop()
    app.dependency_overrides[api_key] = lambda: Grant("7Qx2mB9tKd03LpWz", "stand-in", "api", "default", frozenset())

    assert {"asked_by": "stand-in"} == (await ask(app, "/items")).json()


async def test_a_keyfob_that_only_observes_leaves_the_refusing_to_the_routes(here: Installation, guard: Guard) -> None:
    """Without a good key there is no grant, and a route that asks for one cannot be passed by looking on."""
    app = guard(shop(), RULES, mode="observe")
    reader = await here.issue("items:read")

    assert 401 == (await ask(app, "/items")).status_code
    assert 200 == (await ask(app, "/items", reader.headers)).status_code


# -- applications inside others


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


# -- WebSocket


async def test_a_websocket_is_given_the_grant(here: Installation, guard: Guard) -> None:
    """`require` works on WebSocket routes as on others."""
    reader = await here.issue("items:read", name="reader")
    sent = await knock(guard(shop(), RULES), "/ws", reader.headers)

    assert [("websocket.accept", "reader")] == [(message["type"], message.get("subprotocol")) for message in sent]


@pytest.mark.parametrize("extensions", [{"websocket.http.response": {}}, {}, None])
async def test_a_websocket_is_refused_as_by_a_rule(
    here: Installation, guard: Guard, extensions: dict[str, Any] | None
) -> None:
    """With a response where the server can send one, else closed before it is accepted."""
    app = guard(shop(), RULES)
    other = await here.issue("items:write")

    for by_rule, by_route, headers in (("/ruled", "/ws", other.headers), ("/ruled", "/open", {})):
        ruled = await knock(app, by_rule, headers, extensions=extensions)
        assert ruled[0]["type"] == ("websocket.http.response.start" if extensions else "websocket.close")
        assert ruled == await knock(app, by_route, headers, extensions=extensions)


# -- mistakes


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
