"""Reading a request's body: the content type, the size, and then what it says."""

from __future__ import annotations

from email.message import Message
from typing import TYPE_CHECKING, Final

from keyfob_admin.problems import Problem
from keyfob_admin.wire.media_types import JSON

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request

MAX_BODY: Final = 64 * 1024  # bytes
_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii", ""})


async def read_body(request: Request, *, media_types: Collection[str] = (JSON,)) -> bytes:
    """Return the body's bytes. Raises Problem 415 for another content type and 413 as soon as it is too long."""
    _check_media_type(request, media_types)
    if _declared_length(request) > MAX_BODY:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise _too_large()
    if body and "content-type" not in request.headers:
        raise _unsupported(media_types)
    return bytes(body)


def _check_media_type(request: Request, media_types: Collection[str]) -> None:
    """Refuse what a form or a plain-text request of a foreign page would send, even with an empty body."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _unsupported(media_types)
    sent = request.headers.getlist("content-type")
    if not sent:
        return
    message = Message()
    message["content-type"] = sent[0]
    named = sent[0].partition(";")[0].strip().lower()
    charset = message.get_param("charset", "")
    if len(sent) > 1 or named not in media_types or str(charset).lower() not in _UTF_8:
        raise _unsupported(media_types)


def _declared_length(request: Request) -> int:
    try:
        return int(request.headers.get("content-length", "0"))
    except ValueError:  # the server's business; the bytes are counted anyway
        return 0


def _too_large() -> Problem:
    return Problem(413, "content_too_large", f"The body may have {MAX_BODY} bytes at most.")


def _unsupported(media_types: Collection[str]) -> Problem:
    accepted = ", ".join(media_types)
    return Problem(415, "unsupported_media_type", f"The body must be {accepted} in UTF-8.", {"Accept": accepted})
