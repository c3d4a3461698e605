"""Refusals in the application's own form: its body and headers, with Keyfob's status, challenge and Cache-Control."""

from __future__ import annotations

import inspect
import json
import logging
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response

from keyfob.errors import ConfigError
from keyfob.gate.credentials import CREDENTIAL_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.types import Message, Scope

    from keyfob.gate.verdict import Denied

log = logging.getLogger("keyfob")

# What the application can't set: our own headers, and what frames the body.
_KEPT = frozenset((b"cache-control", b"www-authenticate", b"retry-after", b"content-length", b"transfer-encoding"))
_OF_BODY = frozenset((b"content-type", b"content-length"))


class Refusal(NamedTuple):
    """Why a request is refused, as far as its sender may know. It never holds the credential."""

    status: int
    code: str
    detail: str
    challenge: str | None  # the value of WWW-Authenticate; None where the answer has none
    needed: tuple[str, ...] = ()  # the permissions that the key lacks, or some of which it lacks


class ApplicationForm:
    """Asks the application how a refusal shall look."""

    def __init__(
        self, on_refusal: Callable[[Refusal, Scope], object], credential_headers: Collection[str] = CREDENTIAL_HEADERS
    ) -> None:
        """*on_refusal* is the user's own; it sees no header that may carry a key. Raises ConfigError."""
        if inspect.iscoroutinefunction(on_refusal):
            raise ConfigError("on_refusal must be a plain function: an answer waits for nothing")
        self._on_refusal = on_refusal
        self._hidden = {name.lower().encode() for name in (*CREDENTIAL_HEADERS, *credential_headers)}

    def __call__(self, denied: Denied, scope: Scope, start: Message, body: Message) -> tuple[Message, Message]:
        """Return the two messages that answer *denied*: *start* and *body*, unless the application gave others."""
        refusal = _refusal(denied, start, body)
        seen = {**scope, "headers": [header for header in scope["headers"] if header[0].lower() not in self._hidden]}
        try:
            answer = self._on_refusal(refusal, seen)
            if answer is None:
                return start, body
            return _in_form(answer, start)
        except Exception:
            log.exception(
                "on_refusal raised; the request is refused in Keyfob's own form", extra={"event": "on_refusal_failed"}
            )
            return start, body


def _refusal(denied: Denied, start: Message, body: Message) -> Refusal:
    problem = json.loads(body["body"])
    challenge = dict(start["headers"]).get(b"www-authenticate")
    return Refusal(
        status=start["status"],
        code=problem["code"],
        detail=problem["detail"],
        challenge=None if challenge is None else challenge.decode("ascii"),
        needed=denied.needed,
    )


def _in_form(answer: object, start: Message) -> tuple[Message, Message]:
    """Return the messages of *answer* with what stays ours. Raises TypeError if it is no whole response."""
    if inspect.iscoroutine(answer):
        answer.close()
    if not isinstance(answer, Response) or not isinstance(getattr(answer, "body", None), bytes | memoryview):
        msg = f"on_refusal must return a starlette.responses.Response with a body, or None, not {type(answer).__name__}"
        raise TypeError(msg)
    content = bytes(answer.body)
    ours = [header for header in start["headers"] if header[0] not in _OF_BODY]
    kept = _KEPT | {name for name, _ in ours}
    theirs = [(name, value) for name, value in answer.raw_headers if name.lower() not in kept]
    headers = [*theirs, (b"content-length", str(len(content)).encode()), *ours]
    return {**start, "headers": headers}, {"type": "http.response.body", "body": content}
