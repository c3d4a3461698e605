"""What a gateway carries besides a plain request: WebSockets, long lists of permissions, and whole denials."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from keyfob_admin.forward_auth import HEADERS_LIMIT
from tests.end_to_end.gateways.conftest import MANY, headers_of, written
from tests.end_to_end.raw import Wire

if TYPE_CHECKING:
    from tests.end_to_end.gateways.conftest import Front
    from tests.end_to_end.raw import Answer

HANDSHAKE = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


def key(text: str) -> str:
    return f"Authorization: Bearer {text}"


@pytest.fixture(scope="module")
def reader(front: Front) -> tuple[str, str]:
    """A key that may read, as its id and its secret."""
    return front.issue("reader", "--permission", "items:read")


def problem(answer: Answer) -> tuple[int, str, str]:
    """Status, code and challenge of an answer that is a problem through and through."""
    assert "application/problem+json" == answer.one("content-type")
    assert "no-store" == answer.one("cache-control")
    body = json.loads(answer.body)
    identified = ["request_id"] if body["status"] == 403 else []
    assert {"type", "title", "status", "detail", "code", *identified} == set(body)
    assert answer.status == body["status"]
    return answer.status, body["code"], answer.one("www-authenticate") or ""


def test_ff_21_a_websocket_passes_with_its_key(front: Front, reader: tuple[str, str]) -> None:
    """A handshake is judged as the GET that it is; the application sees whose key it was, and messages go both ways."""
    front.application.seen.clear()
    headers = {"Authorization": f"Bearer {reader[1]}", "X-Keyfob-Team": "forged"}

    with connect(f"ws://127.0.0.1:{front.port}/invoices/7?live=1", additional_headers=headers, proxy=None) as socket:
        socket.send("hello")
        assert "hello" == socket.recv(timeout=60)

    (seen,) = front.application.seen
    assert ("websocket", "/invoices/7", b"live=1") == (seen["type"], seen["path"], seen["query_string"])
    told = headers_of(seen, "x-keyfob-")
    assert (reader[0], "default") == (told["x-keyfob-key-id"], told["x-keyfob-team"])
    assert {} == headers_of(seen, "authorization")


def test_ff_21_a_websocket_without_its_key_is_refused(front: Front, reader: tuple[str, str]) -> None:
    """Without a key a handshake is 401, where no rule allows it 403, and the application learns of neither."""
    front.application.seen.clear()
    for path, headers, status in (
        ("/invoices", {}, 401),
        ("/nowhere", {"Authorization": f"Bearer {reader[1]}"}, 403),
    ):
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(f"ws://127.0.0.1:{front.port}{path}", additional_headers=headers, proxy=None),
        ):
            pass
        assert status == refused.value.response.status_code

    assert [] == front.application.seen


@pytest.mark.parametrize("upgrade", ["websocket", "h2c", "WebSocket, h2c"])
def test_ff_21_a_proposal_to_upgrade_harms_nobody_else(front: Front, reader: tuple[str, str], upgrade: str) -> None:
    """What a client proposes in Upgrade neither gets past the rules nor breaks the connection of the next request."""
    for _ in range(3):
        with Wire(front.port) as wire:
            wire.send(written("/nowhere", "Connection: upgrade", f"Upgrade: {upgrade}", key(reader[1])))
            assert 403 == wire.start().status
        assert 200 == front.send("/invoices", key(reader[1]))[0].status


def test_ff_22_a_long_list_of_permissions_reaches_the_application(front: Front) -> None:
    """Eighty permissions of a hundred characters pass whole, and no flag says that one was left out."""
    held = MANY[:80]
    options = [word for permission in ("items:read", *held) for word in ("--permission", permission)]
    _, secret = front.issue("long", *options)

    answer, seen = front.send("/invoices", key(secret), "X-Keyfob-Permissions-Omitted: 1")

    assert 200 == answer.status
    assert seen is not None
    told = headers_of(seen, "x-keyfob-")
    assert ", ".join(["items:read", *held]) == told["x-keyfob-permissions"]
    assert not told.get("x-keyfob-permissions-omitted")


def test_ff_22_what_is_too_long_is_left_out_whole_and_said(front: Front) -> None:
    """A key that holds all it can passes with as many permissions as 16 KiB of headers have room for."""
    options = [word for permission in ("items:read", *MANY[:199]) for word in ("--permission", permission)]
    _, secret = front.issue("longest", *options)

    answer, seen = front.send("/invoices", key(secret))

    assert 200 == answer.status
    assert seen is not None
    told = headers_of(seen, "x-keyfob-")
    listed = told["x-keyfob-permissions"].split(", ")
    assert ["items:read", *MANY[: len(listed) - 1]] == listed
    assert "1" == told["x-keyfob-permissions-omitted"]
    assert HEADERS_LIMIT - 100 - len(": , ") <= sum(len(f"{name}: {value}\r\n") for name, value in told.items())


def test_ff_23_every_denial_arrives_whole(front: Front, reader: tuple[str, str]) -> None:
    """The client gets status, challenge and problem as Keyfob made them, and nothing of the gateway's own."""
    front.application.seen.clear()
    bearer, lacks = 'Bearer realm="keyfob"', 'error="insufficient_scope"'
    answers = [
        front.send("/invoices")[0],
        front.send("/invoices", key("kf_api_junk"))[0],
        front.send("/invoices", key(reader[1]), "Content-Length: 0", method="POST")[0],
        front.send("/nowhere", key(reader[1]))[0],
        front.send("/invoices", key(reader[1]), f"X-API-Key: {reader[1]}")[0],
        front.send("/static;x=1")[0],
    ]

    assert [
        (401, "missing_key", bearer),
        (401, "invalid_key", f'{bearer}, error="invalid_token"'),
        (403, "insufficient_scope", f'{bearer}, {lacks}, scope="items:write"'),
        (403, "insufficient_scope", f"{bearer}, {lacks}"),
        (400, "invalid_request", f'{bearer}, error="invalid_request"'),
        (400, "invalid_path", ""),
    ] == [problem(answer) for answer in answers]
    assert [] == front.application.seen


def test_ff_23_a_refused_handshake_is_answered_whole(front: Front) -> None:
    """A handshake without a key gets the same answer as any other request."""
    with Wire(front.port) as wire:
        wire.send(written("/invoices", "Connection: Upgrade", *HANDSHAKE))
        answer = wire.answer()

    assert (401, "missing_key", 'Bearer realm="keyfob"') == problem(answer)


def test_ff_22_a_challenge_that_names_many_permissions_arrives(front: Front, reader: tuple[str, str]) -> None:
    """A denial whose challenge lists eighty permissions is no server error at the gateway."""
    answer, seen = front.send("/everything", key(reader[1]))

    assert ((403, "insufficient_scope"), None) == (problem(answer)[:2], seen)
    assert f'scope="{" ".join(MANY[:80])}"' in (answer.one("www-authenticate") or "")


def test_ff_23_an_outage_is_a_503_with_its_problem(front: Front, reader: tuple[str, str]) -> None:
    """While Keyfob cannot decide, the client is told so and when to try again; a cached key lasts for its lease."""
    database, elsewhere = front.folder / "keyfob.db", front.folder / "elsewhere.db"
    database.rename(elsewhere)
    try:
        while (answered := front.send("/invoices", key(reader[1])))[0].status == 200:
            pass
    finally:
        elsewhere.rename(database)

    assert ((503, "unavailable", ""), None) == (problem(answered[0]), answered[1])
    assert "1" == answered[0].one("retry-after")
