"""The edge: what goes into the scope and onto the response, and which settings may stand together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette

from keyfob import APIKeyMiddleware, ConfigError
from keyfob.keyring.keyring import Keyring
from keyfob.keys.format import compose
from tests.keyfob.conftest import RULES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tests.keyfob.conftest import Guard


def answering(*headers: tuple[bytes, bytes]) -> ASGIApp:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


@pytest.mark.parametrize(
    "options",
    [{"unknown": 1, "rules": RULES}, {"mode": "observe", "rules": RULES}, {"config": "x.toml", "rules": RULES}, {}],
)
def test_ff_58_beside_a_runtime_only_rules_are_taken(guard: Guard, options: dict[str, Any]) -> None:
    """Whatever else is given beside a runtime would be ignored, so it is a ConfigError; so are no rules at all."""
    with pytest.raises(ConfigError, match="runtime"):
        APIKeyMiddleware(answering(), runtime=guard().runtime, **options)


def closure(app: Any) -> ASGIApp:
    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return around


def without_asyncio(app: ASGIApp, scope: dict[str, Any]) -> list[Any]:
    """Call *app* where no asyncio event loop runs, as under Trio; what it sent, or what it raised."""
    sent: list[Any] = []
    incoming = [{"type": "lifespan.startup"}]

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(StopIteration):
        app(scope, receive, send).send(None)  # type: ignore[attr-defined]
    return sent


async def knows_no_lifespan(scope: Scope, _: Receive, __: Send) -> None:
    raise ValueError(scope["type"])


def test_ff_71_another_event_loop_is_one_error_at_start(tmp_path: Any) -> None:
    """Under Trio the server is told at start, whether the application knows lifespan or not."""
    keyring = tmp_path / "keyfob.keyring"
    keyring.write_text(Keyring.new(datetime.now(UTC)).dump())
    keyring.chmod(0o600)

    for inner in (knows_no_lifespan, Starlette()):
        app = APIKeyMiddleware(inner, store=f"sqlite:///{tmp_path}/keyfob.db", keyring=keyring, rules=RULES)
        told = without_asyncio(app, {"type": "lifespan"})

        assert ["lifespan.startup.failed"] == [message["type"] for message in told]
        assert "asyncio" in told[0]["message"]
        scope = {"type": "http", "method": "GET", "path": "/items", "headers": [(b"authorization", b"Bearer x")]}
        assert 401 == without_asyncio(app, scope)[0]["status"]
        text = compose(key_type="api", key_id="0" * 16, secret="0" * 43, key_char="a", tag=lambda _: "0" * 14).text
        with pytest.raises(ConfigError, match="asyncio"):
            without_asyncio(app, {**scope, "headers": [(b"x-api-key", text.encode())]})
