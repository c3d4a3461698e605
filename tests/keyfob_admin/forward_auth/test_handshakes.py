"""Gateways that hand on what a client proposes in Upgrade, in the request by which they ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from keyfob_admin.app import build_admin
from keyfob_admin.server import WithoutWebSockets
from tests.end_to_end.raw import Answer, Wire
from tests.keyfob_admin.api.conftest import serving
from tests.keyfob_admin.forward_auth.conftest import configured

if TYPE_CHECKING:
    from starlette.types import Message

    from keyfob.testing import Installation
    from tests.keyfob_admin.forward_auth.conftest import Gateway

WHOLE = ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
AS_SERVE_DOES: dict[str, Any] = {"ws": WithoutWebSockets}


def question(target: str, *more: str) -> bytes:
    lines = ["GET /v1/forward-auth/billing HTTP/1.1", "Host: localhost", "X-Forwarded-Method: GET"]
    return "\r\n".join([*lines, f"X-Forwarded-Uri: {target}", *more, "", ""]).encode()


def ask(url: str, *questions: bytes) -> list[Answer]:
    """Ask one question after another, on a new connection where the server closed the last one."""
    port = int(url.rpartition(":")[2])
    answers: list[Answer] = []
    for wanted in questions:
        with Wire(port) as wire:
            wire.send(wanted)
            answers.append(wire.answer())
    return answers


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("more", [(), WHOLE], ids=["bare", "whole"])
async def test_ff_21_a_handshake_is_answered_like_any_get(here: Installation, http: str, more: tuple[str, ...]) -> None:
    """`keyfob serve` answers a question that carries Upgrade and Connection, be the handshake whole or not."""
    key = await here.issue("invoices:read")
    handshake = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", *more)

    with serving(build_admin(configured(here)), **AS_SERVE_DOES, http=http) as url:
        answers = await asyncio.to_thread(
            ask,
            url,
            question("/invoices", f"X-API-Key: {key.text}", *handshake),
            question("/invoices", *handshake),
            question("/nowhere", f"X-API-Key: {key.text}", *handshake),
            question("/open", *handshake),
        )

    assert [200, 401, 403, 200] == [answer.status for answer in answers]
    assert key.record.id == answers[0].one("x-keyfob-key-id")
    assert "missing_key" == answers[1].json["code"]
    assert ["close"] * 4 == [answer.one("connection") for answer in answers]


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("proposal", ["h2c", "TLS/1.0", "websocket/13", ""])
async def test_ff_21_other_proposals_are_ignored(here: Installation, http: str, proposal: str) -> None:
    """A proposal of another protocol changes no answer, and the gateway does not reuse that connection."""
    with serving(build_admin(configured(here)), **AS_SERVE_DOES, http=http) as url:
        (answer,) = await asyncio.to_thread(
            ask, url, question("/invoices", "Connection: Upgrade", f"Upgrade: {proposal}")
        )

    assert (401, "close") == (answer.status, answer.one("connection"))


async def test_ff_21_a_server_with_websockets_answers_too(here: Installation) -> None:
    """Where the admin application is mounted in another one, a handshake reaches it as a WebSocket, and is answered."""
    key = await here.issue("invoices:read")
    handshake = ("Connection: Upgrade", "Upgrade: websocket", *WHOLE)

    with serving(build_admin(configured(here))) as url:
        passed, missing = await asyncio.to_thread(
            ask,
            url,
            question("/invoices", f"X-API-Key: {key.text}", *handshake),
            question("/invoices", *handshake),
        )

    assert (200, key.record.id) == (passed.status, passed.one("x-keyfob-key-id"))
    assert (401, "missing_key") == (missing.status, missing.json["code"])


async def test_ff_21_a_server_that_cannot_answer_a_handshake_closes_it(gateway: Gateway) -> None:
    """Without the extension for HTTP answers the handshake is closed unaccepted: nothing passes."""
    sent: list[Message] = []
    scope = {"type": "websocket", "path": "/v1/forward-auth/billing", "raw_path": b"/v1/forward-auth/billing"}
    scope |= {"client": ("127.0.0.1", 1), "query_string": b"", "root_path": "", "subprotocols": []}
    scope["headers"] = [(b"x-forwarded-method", b"GET"), (b"x-forwarded-uri", b"/open")]

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await gateway.app(scope, receive, send)

    assert [("websocket.close", 1008)] == [(message["type"], message["code"]) for message in sent]
