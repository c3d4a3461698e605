"""The edge: what goes into the scope and onto the response, and which settings may stand together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard


def answering(*headers: tuple[bytes, bytes]) -> ASGIApp:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


# What the application says → Vary and Cache-Control as they go out.
CACHED: list[tuple[list[tuple[bytes, bytes]], str, str]] = [
    ([], "x-api-key", "private"),
    ([(b"cache-control", b"public, max-age=60")], "x-api-key", "public, max-age=60"),
    ([(b"Cache-Control", b"no-cache")], "x-api-key", "no-cache"),
    ([(b"vary", b"X-API-Key")], "X-API-Key", "private"),
    ([(b"vary", b"accept, *")], "accept, *", "private"),
]


@pytest.mark.parametrize(("said", "vary", "cache_control"), CACHED)
async def test_ff_07_a_shared_cache_keeps_no_answer_to_a_key_in_another_header(
    here: Installation, guard: Guard, said: list[tuple[bytes, bytes]], vary: str, cache_control: str
) -> None:
    """Vary names the header that carried the key, and the answer is private unless the application says otherwise."""
    issued = await here.issue("items:read")
    app = guard(answering(*said))

    for headers in ({"X-API-Key": issued.text}, {"X-API-Key": issued.text, "Authorization": "Bearer eyJ.a.b"}):
        answer = await ask(app, "/items", headers)
        shown = {name.lower(): value for name, value in answer.headers.items()}
        assert (200, vary, cache_control) == (answer.status, shown["vary"], shown["cache-control"])


async def test_ff_07_several_vary_lines_are_kept(here: Installation, guard: Guard) -> None:
    """What the application varies by is not replaced, and nothing that it sent is changed in place."""
    issued = await here.issue("items:read")
    own = [(b"vary", b"accept")]
    sent: list[Any] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": own})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/items", "headers": [(b"x-api-key", issued.text.encode())]}
    await guard(app)(scope, ask, send)  # type: ignore[arg-type]

    assert [(b"vary", b"accept"), (b"vary", b"x-api-key"), (b"cache-control", b"private")] == sent[0]["headers"]
    assert [(b"vary", b"accept")] == own


async def test_ff_07_answers_to_authorization_and_on_public_paths_stay_as_they_are(
    here: Installation, guard: Guard
) -> None:
    """Caches know Authorization, and a public path is the same for everybody."""
    issued = await here.issue("items:read")
    app = guard(answering())

    assert {} == (await ask(app, "/items", issued.headers)).headers
    assert {} == (await ask(app, "/open", {"X-API-Key": issued.text})).headers
