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


async def read_body(request: Request, *, media_types: Collection[str] = (JSON,), limit: int = MAX_BODY) -> bytes:
    """Return the body's bytes, at most *limit*. Without a body, what the headers say about one does not matter.

    Raises:
        Problem: 415 for another content type, before the body is read; 413 as soon as it is too long.
    """
    if _declared_length(request) > 0:
        _check_media_type(request, media_types)
    if _declared_length(request) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        if chunk and not body:
            _check_media_type(request, media_types)
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _check_media_type(request: Request, media_types: Collection[str]) -> None:
    """Refuse what a form or a plain-text request of another site's page would send, and what is compressed."""
    sent = request.headers.getlist("content-type")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if len(sent) != 1 or encoding != "identity":
        raise _unsupported(media_types)
    message = Message()
    message["content-type"] = sent[0]
    named = sent[0].partition(";")[0].strip().lower()
    charset = message.get_param("charset", "")
    if named not in media_types or str(charset).lower() not in _UTF_8:
        raise _unsupported(media_types)


def _declared_length(request: Request) -> int:
    try:
        return int(request.headers.get("content-length", "0"))
    except ValueError:  # for the server to refuse; the bytes are counted anyway
        return 0


def _too_large(limit: int) -> Problem:
    return Problem(413, "content_too_large", f"The body can have at most {limit:,} bytes.")


def _unsupported(media_types: Collection[str]) -> Problem:
    accepted = ", ".join(media_types)
    return Problem(415, "unsupported_media_type", f"The body must be {accepted} in UTF-8.", {"Accept": accepted})
