from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.asgi.responses import DenialResponses, code_of, status_of
from keyfob.errors import ConfigError
from keyfob.gate.verdict import Denied, Reason

if TYPE_CHECKING:
    from starlette.types import Message

BEARER = 'Bearer realm="keyfob"'
INVALID_TOKEN = f'{BEARER}, error="invalid_token"'
INVALID_REQUEST = f'{BEARER}, error="invalid_request"'
INSUFFICIENT_SCOPE = f'{BEARER}, error="insufficient_scope"'

ANSWERS: list[tuple[Reason, int, str, str | None]] = [
    (Reason.MISSING, 401, "missing_key", BEARER),
    (Reason.MALFORMED, 401, "invalid_key", INVALID_TOKEN),
    (Reason.FORGED, 401, "invalid_key", INVALID_TOKEN),
    (Reason.RETIRED, 401, "invalid_key", INVALID_TOKEN),
    (Reason.UNKNOWN, 401, "invalid_key", INVALID_TOKEN),
    (Reason.MISMATCH, 401, "invalid_key", INVALID_TOKEN),
    (Reason.DELETED, 401, "invalid_key", INVALID_TOKEN),
    (Reason.DISABLED, 401, "invalid_key", INVALID_TOKEN),
    (Reason.PENDING, 401, "invalid_key", INVALID_TOKEN),
    (Reason.SUSPENDED, 401, "invalid_key", INVALID_TOKEN),
    (Reason.EXPIRED, 401, "invalid_key", INVALID_TOKEN),
    (Reason.AMBIGUOUS, 400, "invalid_request", INVALID_REQUEST),
    (Reason.NO_RULE, 403, "insufficient_scope", INSUFFICIENT_SCOPE),
    (Reason.WRONG_TYPE, 403, "insufficient_scope", INSUFFICIENT_SCOPE),
    (Reason.WRONG_TEAM, 403, "insufficient_scope", INSUFFICIENT_SCOPE),
    (Reason.WRONG_ADDRESS, 403, "insufficient_scope", INSUFFICIENT_SCOPE),
    (Reason.PERMISSION, 403, "insufficient_scope", INSUFFICIENT_SCOPE),
    (Reason.LIMITED, 429, "rate_limited", None),
    (Reason.QUOTA_EXCEEDED, 429, "quota_exceeded", None),
    (Reason.LIMITS_UNAVAILABLE, 503, "unavailable", None),
    (Reason.BAD_METHOD, 400, "invalid_method", None),
    (Reason.BAD_PATH, 400, "invalid_path", None),
    (Reason.UNAVAILABLE, 503, "unavailable", None),
    (Reason.SATURATED, 503, "unavailable", None),
    (Reason.UNTRUSTED, 403, "untrusted_gateway", None),
    (Reason.UNTOLD, 400, "invalid_request", None),
]


class Wire:
    """What a server would have sent."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.sent.append(message)


def headers_of(start: Message) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in start["headers"]}


def challenge(denied: Denied, realm: str = "keyfob") -> str | None:
    return headers_of(DenialResponses(realm).response(denied)[0]).get("www-authenticate")


def test_every_reason_has_an_answer() -> None:
    """No reason is left without a row in the table."""
    assert set(Reason) == {reason for reason, *_ in ANSWERS}


@pytest.mark.parametrize(("reason", "status", "code", "expected"), ANSWERS)
def test_the_table_of_answers(reason: Reason, status: int, code: str, expected: str | None) -> None:
    """Each reason is answered with its status, its code and its challenge, as a problem that nobody may store."""
    start, body = DenialResponses().response(Denied(reason, key_id="7Qx2mB9tKd03LpWz"))
    headers, problem = headers_of(start), json.loads(body["body"])

    assert ("http.response.start", "http.response.body") == (start["type"], body["type"])
    assert (status, code) == (start["status"], problem["code"]) == (status_of(reason), code_of(reason))
    assert {"type", "title", "status", "detail", "code"} == problem.keys()
    assert ("about:blank", status) == (problem["type"], problem["status"])
    assert expected == headers.get("www-authenticate")
    assert "application/problem+json" == headers["content-type"]
    assert "no-store" == headers["cache-control"]
    assert str(len(body["body"])) == headers["content-length"]
    assert ("1" if status == 503 else None) == headers.get("retry-after")
    assert len(start["headers"]) == len(headers)


@pytest.mark.parametrize(("reason", "status", "code", "expected"), ANSWERS)
def test_a_status_that_is_not_passed_on_is_403_with_its_reason(
    reason: Reason, status: int, code: str, expected: str | None
) -> None:
    """Where whoever asks hands on 401 and 403 alone, all else is 403, and its code stands in X-Keyfob-Reason, too."""
    start, body = DenialResponses(passed_on={401, 403}).response(Denied(reason))
    headers, problem = headers_of(start), json.loads(body["body"])

    handed = status if status in {401, 403} else 403
    assert handed == start["status"] == problem["status"]
    assert ({401: "Unauthorized", 403: "Forbidden"}[handed], code) == (problem["title"], problem["code"])
    assert (None if status == handed else code) == headers.get("x-keyfob-reason")
    assert expected == headers.get("www-authenticate")


def test_se_14_all_invalid_keys_are_answered_alike() -> None:
    """Nobody can tell from the answer whether a key was unknown, forged, disabled, expired or deleted."""
    invalid = [reason for reason, _, code, _ in ANSWERS if code == "invalid_key"]
    refusals = DenialResponses()
    first = refusals.response(Denied(Reason.UNKNOWN))

    for reason in invalid:
        assert first == refusals.response(Denied(reason, key_id="7Qx2mB9tKd03LpWz", needed=("items:read",)))


def test_pm_02_what_is_missing_is_named_in_order() -> None:
    """scope= lists what the rule names, in the order of the rule (RFC 6750, section 3)."""
    denied = Denied(Reason.PERMISSION, needed=("items:write", "admin:read"))

    assert f'{INSUFFICIENT_SCOPE}, scope="items:write admin:read"' == challenge(denied)


@pytest.mark.parametrize("reason", [Reason.NO_RULE, Reason.WRONG_TYPE, Reason.WRONG_TEAM, Reason.WRONG_ADDRESS])
def test_no_scope_is_named_where_none_would_help(reason: Reason) -> None:
    """Where no permission would change the answer, none is asked for."""
    assert INSUFFICIENT_SCOPE == challenge(Denied(reason, needed=("items:write",)))


def test_an_answer_made_ahead_is_the_same() -> None:
    """Preparing a rule's answer changes when it is made, and nothing else."""
    prepared, denied = DenialResponses(), Denied(Reason.PERMISSION, needed=("items:write",))
    prepared.prepare(("items:write",))

    assert DenialResponses().response(denied) == prepared.response(denied)


@pytest.mark.parametrize(
    "denied", [Denied(Reason.UNKNOWN), Denied(Reason.NO_RULE), Denied(Reason.PERMISSION, needed=("items:write",))]
)
def test_an_answer_is_never_shared_between_callers(denied: Denied) -> None:
    """What outer middleware adds to one answer, such as a cookie, does not appear in the next."""
    refusals = DenialResponses()
    untouched = refusals.response(denied)
    start, body = refusals.response(denied)
    start["headers"].append((b"set-cookie", b"session=somebody's"))
    start["status"] = 200
    body["body"] = b"compressed"

    assert untouched == refusals.response(denied)


REALMS = [
    ("keyfob", 'Bearer realm="keyfob"'),
    ('say "hi"', r'Bearer realm="say \"hi\""'),
    ("back\\slash", r'Bearer realm="back\\slash"'),
    ('\\"', r'Bearer realm="\\\""'),
    ("a, b=c", 'Bearer realm="a, b=c"'),
]


@pytest.mark.parametrize(("realm", "expected"), REALMS)
def test_cp_22_the_realm_is_quoted(realm: str, expected: str) -> None:
    """Quotes and backslashes are escaped, so that the header still parses (RFC 9110, section 5.6.4)."""
    assert expected == challenge(Denied(Reason.MISSING), realm)
    assert f'{expected}, error="invalid_token"' == challenge(Denied(Reason.EXPIRED), realm)


@pytest.mark.parametrize("realm", ["a\rb", "a\nb", "a\r\nset-cookie: x=y", "a\x00", "a\tb", "a\x7f", "é", "a\u2028b"])
def test_cp_22_a_realm_that_cannot_be_sent_is_refused_at_start(realm: str) -> None:
    """Line breaks, control characters and letters beyond ASCII never get into a header."""
    with pytest.raises(ConfigError, match="realm"):
        DenialResponses(realm)


async def test_an_http_request_is_answered() -> None:
    """Over HTTP the answer is its two messages."""
    refusals, wire = DenialResponses(), Wire()
    await refusals.refuse(Denied(Reason.MISSING), {"type": "http"}, wire)

    assert [*refusals.response(Denied(Reason.MISSING))] == wire.sent


@pytest.mark.parametrize("denied", [Denied(Reason.MISSING), Denied(Reason.UNAVAILABLE), Denied(Reason.BAD_PATH)])
async def test_ws_01_a_websocket_gets_the_same_answer(denied: Denied) -> None:
    """Where the server can answer a handshake with HTTP, status, headers and body are those of HTTP."""
    refusals, wire = DenialResponses(), Wire()
    start, body = refusals.response(denied)
    await refusals.refuse(denied, {"type": "websocket", "extensions": {"websocket.http.response": {}}}, wire)

    assert [
        {**start, "type": "websocket.http.response.start"},
        {**body, "type": "websocket.http.response.body"},
    ] == wire.sent


@pytest.mark.parametrize("extensions", [{}, {"extensions": None}, {"extensions": {}}, {"extensions": {"tls": {}}}])
async def test_ws_01_elsewhere_a_websocket_is_closed_before_it_is_accepted(extensions: dict[str, Any]) -> None:
    """Without the extension the handshake is refused, which a client sees as 403."""
    wire = Wire()
    await DenialResponses().refuse(Denied(Reason.MISSING), {"type": "websocket", **extensions}, wire)

    assert [{"type": "websocket.close", "code": 1008, "reason": ""}] == wire.sent


def test_all_bad_keys_get_one_body_and_no_request_id() -> None:
    """Whatever is wrong with a key, the answer is the same byte for byte; and 400 and 401 name no request."""
    answers = [DenialResponses().response(Denied(reason, "7Qx2mB9tKd03LpWz")) for reason in Reason]
    told = [(start, body["body"]) for start, body in answers]

    assert 1 == len({body for _, body in told if b'"invalid_key"' in body})
    assert not [body for start, body in told if start["status"] in {400, 401} and b"request_id" in body]
