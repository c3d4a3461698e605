from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar, Request, Response, Router, WebSocket, asgi, get, websocket
from litestar.config.cors import CORSConfig
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.plugins.problem_details import ProblemDetailsPlugin

from keyfob import APIKeyMiddleware, ConfigError
from keyfob.litestar import OPENAPI_COMPONENTS, KeyLacksPermission, requires
from tests.keyfob.frameworks.conftest import ask, knock, without_id

if TYPE_CHECKING:
    import httpx
    from litestar.types import Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.keyfob.frameworks.conftest import Guard

PUBLIC = {"public": True}
QUIET: dict[str, Any] = {"logging_config": None}  # Litestar's would set the level of every logger of the process
RULES: dict[str, Any] = {
    "GET /items": [],
    "GET /both": [],
    "GET /any": [],
    "GET /open": PUBLIC,
    "/mounted/{p:path}": [],
    "WS /ws": [],
    "WS /open-ws": PUBLIC,
    "GET /ruled": "items:read",
    "GET /ruled/both": ["items:read", "items:write"],
}


@get(["/items", "/open"], guards=[requires("items:read")])
async def items(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"asked_by": request.user.display_name, "may": "items:read" in request.auth.scopes}


@get("/both", guards=[requires("items:write")])
async def both() -> str:
    return "both"


@get("/any", guards=[requires()])
async def any_key() -> str:
    return "any"


@asgi("/mounted", is_mount=True, copy_scope=True, guards=[requires("items:read")])
async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
    await Response("inside").to_asgi_response(app=None, request=Request(scope))(scope, receive, send)


@websocket(["/ws", "/open-ws"], guards=[requires("items:read")])
async def ws(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept(subprotocols=socket.scope["keyfob"].name)  # type: ignore[typeddict-item]


def shop(**settings: Any) -> Litestar:
    """An application that asks for permissions in its own words, with a router that asks, too."""
    reading = Router("/", route_handlers=[both], guards=[requires("items:read")])
    return Litestar([items, reading, any_key, mounted, ws], openapi_config=None, **QUIET, **settings)


def told(answer: httpx.Response) -> tuple[int, str | None, str | None]:
    """What a client acts on."""
    return answer.status_code, answer.headers.get("www-authenticate"), answer.headers.get("cache-control")


async def test_a_key_with_the_permission_passes(here: Installation, guard: Guard) -> None:
    """With starlette_user the key is Litestar's user, too, and its permissions are Litestar's auth."""
    reader = await here.issue("items:read", name="reader")
    answer = await ask(guard(shop(), RULES, starlette_user=True), "/items", reader.headers)

    assert {"asked_by": f"reader ({reader.record.id})", "may": True} == answer.json()


@pytest.mark.parametrize(("by_rule", "by_guard"), [("/ruled", "/items"), ("/ruled", "/mounted/x")])
async def test_a_key_without_the_permission_is_told_as_by_a_rule(
    here: Installation, guard: Guard, by_rule: str, by_guard: str
) -> None:
    """403 with the same challenge, which names the permission."""
    app = guard(shop(), RULES)
    other = await here.issue("items:write")
    ruled = await ask(app, by_rule, other.headers)

    assert (403, 'scope="items:read"') == (ruled.status_code, ruled.headers["www-authenticate"].rpartition(", ")[2])
    assert told(ruled) == told(await ask(app, by_guard, other.headers))


async def test_a_request_without_a_key_is_told_as_by_a_rule(here: Installation, guard: Guard) -> None:
    """A public rule let it in, and the handler asks for a key: 401 with the same challenge, whatever it sent."""
    app = guard(shop(), RULES)
    reader = await here.issue("items:read")

    assert told(await ask(app, "/ruled")) == told(await ask(app, "/open"))
    assert 401 == (await ask(app, "/open", reader.headers)).status_code


async def test_the_realm_is_the_middlewares(here: Installation, guard: Guard) -> None:
    """Rules and guards speak of one realm."""
    app = guard(shop(), RULES, realm="orders")
    other = await here.issue("items:write")

    for answer in (await ask(app, "/items", other.headers), await ask(app, "/open")):
        assert answer.headers["www-authenticate"].startswith('Bearer realm="orders"')


async def test_the_body_is_litestars_and_has_the_code(here: Installation, guard: Guard) -> None:
    """Clients of a Litestar application find its usual errors, with Keyfob's code in ``extra``."""
    app = guard(shop(), RULES)
    other = await here.issue("items:write")

    assert {
        "status_code": 403,
        "detail": "The API key is not allowed to do this.",
        "extra": {"code": "insufficient_scope", "request_id": "0" * 16},
    } == json.loads(without_id((await ask(app, "/items", other.headers)).content))
    assert {"status_code": 401, "detail": "This needs an API key.", "extra": {"code": "missing_key"}} == (
        await ask(app, "/open")
    ).json()


async def test_with_litestars_plugin_the_problem_is_the_middlewares(here: Installation, guard: Guard) -> None:
    """Where an application speaks of problems (RFC 9457), the guard says the same as a rule."""
    app = guard(shop(plugins=[ProblemDetailsPlugin()]), RULES)
    other = await here.issue("items:write")

    for by_rule, by_guard, headers in (("/ruled", "/items", other.headers), ("/ruled", "/open", None)):
        ruled, guarded = await ask(app, by_rule, headers), await ask(app, by_guard, headers)
        assert "application/problem+json" == ruled.headers["content-type"] == guarded.headers["content-type"]
        assert json.loads(without_id(ruled.content)) == json.loads(without_id(guarded.content))
        assert told(ruled) == told(guarded)


@pytest.mark.parametrize("what", [PermissionDeniedException, KeyLacksPermission, 403])
async def test_an_application_can_answer_in_its_own_words(
    here: Installation, guard: Guard, what: type[Exception] | int
) -> None:
    """The refusals are Litestar's own exceptions, so its handlers get them."""
    app = shop(exception_handlers={what: lambda _, __: Response("ours", status_code=403)})
    other = await here.issue("items:write")

    assert "ours" == (await ask(guard(app, RULES), "/items", other.headers)).text


async def test_no_key_is_litestars_not_authorized(guard: Guard) -> None:
    """A handler for `NotAuthorizedException` gets the requests without a key."""
    app = shop(exception_handlers={NotAuthorizedException: lambda _, __: Response("ours", status_code=401)})

    assert "ours" == (await ask(guard(app, RULES), "/open")).text


@pytest.mark.parametrize("held", [("items:read",), ("items:write",)])
async def test_guards_of_router_and_handler_are_both_asked(
    here: Installation, guard: Guard, held: tuple[str, ...]
) -> None:
    """One of two permissions is not enough."""
    app = guard(shop(), RULES)
    some, all_of_them = await here.issue(*held), await here.issue("items:*")

    assert 403 == (await ask(app, "/both", some.headers)).status_code
    assert 200 == (await ask(app, "/both", all_of_them.headers)).status_code


async def test_a_guard_that_names_no_permission_needs_any_key(here: Installation, guard: Guard) -> None:
    """`requires()` alone asks only for a valid key."""
    issued = await here.issue("else:where")

    assert 200 == (await ask(guard(shop(), RULES), "/any", issued.headers)).status_code
    assert 401 == (await ask(guard(shop(), RULES | {"GET /any": PUBLIC}), "/any")).status_code


async def test_without_the_middleware_nobody_passes(here: Installation) -> None:
    """A guard in an application that nothing guards is a mistake, answered 500."""
    reader = await here.issue("items:read")

    assert 500 == (await ask(shop(), "/items", reader.headers)).status_code


async def test_a_websocket_is_closed_before_it_is_accepted(here: Installation, guard: Guard) -> None:
    """1008 for a key that lacks the permission, and for none; a key that holds it is let in."""
    app = guard(shop(), RULES)
    reader, other = await here.issue("items:read", name="reader"), await here.issue("items:write")
    closed = [{"type": "websocket.close", "code": 1008, "reason": ""}]

    assert "websocket.accept" == (await knock(app, "/ws", reader.headers))[0]["type"]
    assert closed == await knock(app, "/ws", other.headers)
    assert closed == await knock(app, "/open-ws")


async def test_a_guard_that_nobody_called_lets_nobody_in(here: Installation, guard: Guard) -> None:
    """``guards=[requires]``, without the parentheses, is a mistake that refuses."""
    mistaken: Any = requires

    @get("/items", guards=[mistaken])
    async def unguarded() -> str:
        return "in"

    reader = await here.issue("items:*")
    app = guard(Litestar([unguarded], openapi_config=None, **QUIET), RULES)

    assert 500 == (await ask(app, "/items", reader.headers)).status_code


@pytest.mark.parametrize("wrong", ["items:*", "*", "items", "", "items:read items:write", ["items:read"], None])
def test_what_no_rule_could_name_cannot_be_required(wrong: Any) -> None:
    """A mistake in a permission is told when the module is loaded."""
    with pytest.raises(ConfigError, match="is not a permission"):
        requires("items:read", wrong)


@pytest.fixture
def stall(here: Installation) -> Litestar:
    """An application with Keyfob among its middlewares, as the documentation shows it."""
    public = {"/schema": PUBLIC, "/schema/{p:path}": PUBLIC}
    keyfob: Any = APIKeyMiddleware  # Litestar has types of its own for scope, receive and send
    middleware = DefineMiddleware(keyfob, rules=RULES | public, **here.options)
    document = OpenAPIConfig(
        title="Stall", version="1", components=OPENAPI_COMPONENTS, security=[{"Keyfob": []}], path="/schema"
    )
    cors = CORSConfig(allow_origins=["https://a.example"], allow_headers=["authorization"])
    handlers: list[Any] = [items, both, ws]
    return Litestar(handlers, middleware=[middleware], openapi_config=document, cors_config=cors, **QUIET)


async def test_ff_42_keyfob_is_one_of_the_applications_middlewares(here: Installation, stall: Litestar) -> None:
    """What is judged is the same as around the application, for HTTP and for WebSockets, before and after a disable."""
    reader, other = await here.issue("items:read", name="reader"), await here.issue("items:write")

    assert 401 == (await ask(stall, "/both")).status_code
    assert (403, 200) == tuple([(await ask(stall, "/both", key.headers)).status_code for key in (reader, other)])
    assert "websocket.accept" == (await knock(stall, "/ws", reader.headers))[0]["type"]
    assert "websocket.accept" not in [message["type"] for message in await knock(stall, "/ws")]
    await here.disable(reader)
    assert 401 == (await ask(stall, "/both", reader.headers)).status_code


async def test_ff_42_cors_is_litestars_own(here: Installation, stall: Litestar) -> None:
    """The application answers preflights without a key, and its CORS headers are on what Keyfob refuses, too."""
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    answer = await ask(stall, "/items", preflight, method="OPTIONS")

    assert (204, "https://a.example") == (answer.status_code, answer.headers["access-control-allow-origin"])
    refused = await ask(stall, "/items", {"Origin": "https://a.example"})
    assert (401, "https://a.example") == (refused.status_code, refused.headers["access-control-allow-origin"])


async def test_ff_42_the_document_shows_how_a_key_is_sent(stall: Litestar) -> None:
    """Generated clients and the pages under /schema find the scheme."""
    document = (await ask(stall, "/schema/openapi.json")).json()

    assert {"Keyfob": "bearer"} == {
        name: scheme["scheme"] for name, scheme in document["components"]["securitySchemes"].items()
    }
    assert [{"Keyfob": []}] == document["security"]
