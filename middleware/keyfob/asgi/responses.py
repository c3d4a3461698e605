"""The responses to denied requests.

Every response is a problem (RFC 9457) with a challenge (RFC 6750, section 3). They are built once, with the middleware;
only the messages around them are new each time, because outer middleware modifies them, and the id of a 403 or 429.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from keyfob.errors import ConfigError
from keyfob.gate.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from starlette.types import Message, Scope, Send

    from keyfob.gate.verdict import Denied


Form = Callable[["Denied", "Scope", "Message", "Message"], "tuple[Message, Message]"]
"""Takes what is denied, the scope, and the two messages of the answer; gives those that are sent."""

RouteLog = Callable[["Denied", "Mapping[str, Any]"], "Denied"]
"""Records a denial by a route and its scope; returns the denial with its request id."""


class _Answer(NamedTuple):
    """One complete response."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class _Kind(NamedTuple):
    """One row of the table of responses; *error* is the challenge's, None if there is no challenge."""

    status: HTTPStatus
    code: str
    detail: str
    error: str | None = None
    retry: bool = False
    tells_code: bool = False  # in a header, too, if the status does not reveal it


_MISSING = _Kind(HTTPStatus.UNAUTHORIZED, "missing_key", "This needs an API key.", "")
_INVALID = _Kind(HTTPStatus.UNAUTHORIZED, "invalid_key", "The API key is not valid.", "invalid_token")
_AMBIGUOUS = _Kind(
    HTTPStatus.BAD_REQUEST, "invalid_request", "Send exactly one API key, in one header.", "invalid_request"
)
_FORBIDDEN = _Kind(
    HTTPStatus.FORBIDDEN, "insufficient_scope", "The API key is not allowed to do this.", "insufficient_scope"
)
_BAD_METHOD = _Kind(
    HTTPStatus.BAD_REQUEST,
    "invalid_method",
    "The method may hold upper-case letters, digits, - and _, 32 characters at most.",
)
_BAD_PATH = _Kind(HTTPStatus.BAD_REQUEST, "invalid_path", "The path holds what no path may hold.")
_UNTRUSTED = _Kind(HTTPStatus.FORBIDDEN, "untrusted_gateway", "Only a gateway that is trusted may ask this.")
_UNTOLD = _Kind(HTTPStatus.BAD_REQUEST, "invalid_request", "The gateway must say method and path, each in one header.")
_UNAVAILABLE = _Kind(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "API keys cannot be checked right now.", retry=True)

_LIMITED = _Kind(HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", "The API key has reached a limit; try again later.")
_EXCEEDED = _Kind(
    HTTPStatus.TOO_MANY_REQUESTS, "quota_exceeded", "The quota of the API key or its team is used up for this period."
)

_KINDS: Final = {
    Reason.BAD_METHOD: _BAD_METHOD,
    Reason.BAD_PATH: _BAD_PATH,
    Reason.MISSING: _MISSING,
    Reason.AMBIGUOUS: _AMBIGUOUS,
    Reason.MALFORMED: _INVALID,
    Reason.FORGED: _INVALID,
    Reason.RETIRED: _INVALID,
    Reason.UNKNOWN: _INVALID,
    Reason.MISMATCH: _INVALID,
    Reason.DELETED: _INVALID,
    Reason.DISABLED: _INVALID,
    Reason.PENDING: _INVALID,
    Reason.SUSPENDED: _INVALID,
    Reason.EXPIRED: _INVALID,
    Reason.NO_RULE: _FORBIDDEN,
    Reason.WRONG_TYPE: _FORBIDDEN,
    Reason.WRONG_TEAM: _FORBIDDEN,
    Reason.WRONG_ADDRESS: _FORBIDDEN,
    Reason.PERMISSION: _FORBIDDEN,
    Reason.LIMITED: _LIMITED,
    Reason.QUOTA_EXCEEDED: _EXCEEDED,
    Reason.LIMITS_UNAVAILABLE: _UNAVAILABLE,
    Reason.UNAVAILABLE: _UNAVAILABLE,
    Reason.SATURATED: _UNAVAILABLE,
    Reason.UNTRUSTED: _UNTRUSTED,
    Reason.UNTOLD: _UNTOLD,
}


def code_of(reason: Reason) -> str:
    """The code that the client gets for *reason*."""
    return _KINDS[reason].code


def status_of(reason: Reason) -> int:
    """The HTTP status that the client gets for *reason*."""
    return int(_KINDS[reason].status)


class DenialResponses:
    """Every response to a denied request, under one *realm*."""

    __slots__ = ("_answers", "_form", "_lacking", "_realm", "route_log")

    def __init__(
        self,
        realm: str = "keyfob",
        *,
        passed_on: Collection[int] | None = None,
        form: Form | None = None,
        route_log: RouteLog | None = None,
    ) -> None:
        """Make the answers.

        Args:
            realm: of the challenge; it must be able to stand in a header (RFC 9110, section 5.6.4).
            passed_on: the statuses that whoever asks hands on to the client; every other becomes 403, with
                ``X-Keyfob-Reason``. None: all.
            form: gives an answer the application's own form. None: it stays as it is.
            route_log: records what a route denies (`keyfob.asgi.route_guard`). None: it is only logged.

        Raises:
            ConfigError: *realm* is not printable ASCII.
        """
        if not realm.isascii() or not realm.isprintable():
            raise ConfigError(f"realm {realm!r} must be printable ASCII, because it is sent in a header")
        escaped = realm.replace("\\", "\\\\").replace('"', '\\"')
        self._realm = f'Bearer realm="{escaped}"'
        self._answers = {reason: _made(_handed(kind, passed_on), self._realm) for reason, kind in _KINDS.items()}
        self._lacking: dict[tuple[str, ...], _Answer] = {}
        self._form = form
        self.route_log = route_log

    def prepare(self, needed: tuple[str, ...]) -> None:
        """Prepare the response to a key that lacks one of *needed*, before the first such request."""
        self._lacking[needed] = _made(_FORBIDDEN, self._realm, needed)

    def response(self, denied: Denied) -> tuple[Message, Message]:
        """Return the two messages that answer *denied* over HTTP. The caller may modify them."""
        status, headers, body = self._answer(denied)
        if denied.request_id is not None:
            body = body[:-1] + b',"request_id":"%b"}' % denied.request_id.encode("ascii")
            headers = ((b"content-length", b"%d" % len(body)), *headers[1:])
        start = {"type": "http.response.start", "status": status, "headers": list(headers)}
        return start, {"type": "http.response.body", "body": body}

    async def refuse(self, denied: Denied, scope: Scope, send: Send) -> None:
        """Answer *denied* on a connection that is HTTP, or a WebSocket that is not accepted yet.

        A WebSocket gets the same response if the server supports the extension ``websocket.http.response``; otherwise
        it is closed before it is accepted, which clients see as 403.
        """
        start, body = self.response(denied)
        if self._form is not None:
            start, body = self._form(denied, scope, start, body)
        if scope["type"] == "websocket":
            if "websocket.http.response" not in (scope.get("extensions") or ()):
                await send({"type": "websocket.close", "code": 1008, "reason": ""})
                return
            start["type"], body["type"] = "websocket.http.response.start", "websocket.http.response.body"
        await send(start)
        await send(body)

    def _answer(self, denied: Denied) -> _Answer:
        if not denied.needed or denied.reason is not Reason.PERMISSION:
            return self._answers[denied.reason]
        if denied.needed not in self._lacking:  # only rules and routes name them, so there are few
            self.prepare(denied.needed)
        return self._lacking[denied.needed]


def _handed(kind: _Kind, passed_on: Collection[int] | None) -> _Kind:
    """Give *kind* a status that the gateway passes on."""
    if passed_on is None or kind.status in passed_on:
        return kind
    return kind._replace(status=HTTPStatus.FORBIDDEN, tells_code=True)


def _made(kind: _Kind, realm: str, needed: tuple[str, ...] = ()) -> _Answer:
    problem = {"type": "about:blank", "title": kind.status.phrase, "status": kind.status, "detail": kind.detail}
    body = json.dumps({**problem, "code": kind.code}, separators=(",", ":")).encode()
    headers = [
        (b"content-length", str(len(body)).encode()),  # first, because a request_id changes it
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
    ]
    if kind.error is not None:
        error = f', error="{kind.error}"' if kind.error else ""
        scope = f', scope="{" ".join(needed)}"' if needed else ""
        headers.append((b"www-authenticate", f"{realm}{error}{scope}".encode("ascii")))
    if kind.retry:
        headers.append((b"retry-after", b"1"))
    if kind.tells_code:
        headers.append((b"x-keyfob-reason", kind.code.encode()))
    return _Answer(int(kind.status), tuple(headers), body)
