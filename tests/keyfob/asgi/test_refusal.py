"""`on_refusal`: the application's own form of what Keyfob refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

from keyfob import ConfigError
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    from keyfob.asgi.refusal import Refusal
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard


def in_own_form(refusal: Refusal, scope: Scope) -> Response:
    content = {"error": refusal.code, "needs": refusal.needed, "path": scope["path"]}
    headers = {"Cache-Control": "public", "WWW-Authenticate": "Basic", "X-Shop": "1", "Retry-After": "9"}
    return JSONResponse(content, status_code=200, headers=headers)


async def test_the_body_is_the_applications_and_status_challenge_and_caching_stay_ours(
    guard: Guard, here: Installation
) -> None:
    """The application says how a refusal looks, and nothing that a client or a cache acts upon."""
    app, plain = guard(on_refusal=in_own_form), guard()
    reader = await here.issue("items:read")

    for headers, method, code in [
        ({}, "GET", "missing_key"),
        ({"X-API-Key": "junk"}, "GET", "invalid_key"),
        (reader.headers | {"X-API-Key": reader.text}, "GET", "invalid_request"),
        (reader.headers, "POST", "insufficient_scope"),
    ]:
        answer, usual = [await ask(one, "/items", headers, method=method) for one in (app, plain)]
        assert usual.status == answer.status
        for name in ("www-authenticate", "cache-control"):
            assert usual.headers[name] == answer.headers[name]
        assert {"x-shop": "1", "content-type": "application/json"}.items() <= answer.headers.items()
        assert "retry-after" not in answer.headers or "retry-after" in usual.headers
        assert str(len(answer.body)) == answer.headers["content-length"]
        needs = '["items:write"]' if code == "insufficient_scope" else "[]"
        assert f'{{"error":"{code}","needs":{needs},"path":"/items"}}' == answer.body.decode()


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "X-Acme-Key"])
async def test_the_credential_is_never_shown(guard: Guard, here: Installation, name: str) -> None:
    """Neither the refusal nor the scope holds what was presented, not even where two were."""
    seen: list[str] = []

    def look(refusal: Refusal, scope: Scope) -> None:
        seen.append(f"{refusal!r} {scope!r}")

    app = guard(on_refusal=look, credential_headers=["authorization", "x-api-key", "x-acme-key"])
    issued = await here.issue("items:read")

    for headers in [[(name, issued.text)], [(name, issued.text)] * 2, [(name, f"Token {issued.text}")]]:
        await ask(app, "/items", headers, method="POST")
    assert 3 == len(seen)
    assert issued.text not in "".join(seen)


async def _later(*_: Any) -> Response:
    return Response()


def _raises(*_: Any) -> Response:
    raise ValueError("no form")


WRONG: dict[str, Callable[..., Any]] = {
    "raises": _raises,
    "text": lambda *_: "text",
    "stream": lambda *_: StreamingResponse(iter(())),
    "coroutine": lambda *given: _later(*given, None),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_a_callback_that_fails_changes_nothing(
    guard: Guard, wrong: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """If it raises, or returns what is no response, our own answer goes out and the error is logged."""
    answer, usual = [await ask(app, "/items") for app in (guard(on_refusal=wrong), guard())]

    assert usual == answer
    assert ["on_refusal_failed"] == [getattr(one, "event", "") for one in caplog.records if one.levelname == "ERROR"]


async def test_none_leaves_our_own_form(guard: Guard) -> None:
    """The callback may speak for some refusals only."""
    answer, usual = [await ask(app, "/items") for app in (guard(on_refusal=lambda *_: None), guard())]

    assert usual == answer


async def test_a_websocket_is_refused_in_the_same_form(guard: Guard) -> None:
    """Where the server can answer a handshake, the application's form goes there, too."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        """Nothing is received."""

    scope: dict[str, Any] = {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "headers": []}
    scope["extensions"] = {"websocket.http.response": {}}
    await guard(on_refusal=in_own_form)(scope, receive, send)

    assert ["websocket.http.response.start", "websocket.http.response.body"] == [one["type"] for one in sent]
    assert (401, b"missing_key") == (sent[0]["status"], sent[1]["body"][10:21])


@pytest.mark.parametrize("value", [_later, "text", 7])
async def test_what_cannot_be_called_for_an_answer_is_found_at_the_start(guard: Guard, value: object) -> None:
    """A coroutine function, or what is no function, is a ConfigError."""
    with pytest.raises(ConfigError, match="on_refusal must be a"):
        guard(on_refusal=value)
