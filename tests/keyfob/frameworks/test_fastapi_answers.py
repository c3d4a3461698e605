from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import HTTPException, Request
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import PlainTextResponse

from keyfob import Grant
from keyfob.fastapi import KeyRefused, api_key
from tests.keyfob.frameworks.conftest import ask, knock, whole, without_id
from tests.keyfob.frameworks.shop import RULES, shop

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.keyfob.frameworks.conftest import Guard


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


async def test_a_websocket_is_given_the_grant(here: Installation, guard: Guard) -> None:
    """`require` works on WebSocket routes as on others."""
    reader = await here.issue("items:read", name="reader")
    sent = await knock(guard(shop(), RULES), "/ws", reader.headers)

    assert [("websocket.accept", "reader")] == [(message["type"], message.get("subprotocol")) for message in sent]


def anonymous(sent: list[Message]) -> list[Message]:
    """Messages without the id of their request."""
    return [{**message, "body": without_id(message["body"])} if "body" in message else message for message in sent]


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
        assert anonymous(ruled) == anonymous(await knock(app, by_route, headers, extensions=extensions))
