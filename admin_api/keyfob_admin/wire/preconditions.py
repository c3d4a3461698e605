"""The request headers that change what a call means: If-Match (RFC 9110, section 13.1.1) and Idempotency-Key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from keyfob.errors import PreconditionFailed
from keyfob_admin.problems import Problem

if TYPE_CHECKING:
    from starlette.datastructures import Headers

_ENTITY_TAG: Final = re.compile(r'\s*(W/)?"([\x21\x23-\x7e]*)"\s*(?:,|\Z)|\s*(?:,|\Z)')
_REVISION: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def etag(revision: int) -> str:
    """The strong entity tag of a key at *revision*."""
    return f'"{revision}"'


def required_revisions(headers: Headers) -> frozenset[int] | None:
    """The revisions that If-Match allows; None if any will do. Raises PreconditionFailed if none can match.

    Weak tags and tags that we never gave never match.
    """
    if "if-match" not in headers:
        return None
    listed = ",".join(headers.getlist("if-match"))
    if listed.strip() == "*":
        return None
    allowed: set[int] = set()
    at = 0
    while at < len(listed):
        found = _ENTITY_TAG.match(listed, at)
        if found is None:
            raise PreconditionFailed
        weak, tag = found.groups()
        if tag is not None and not weak and _REVISION.fullmatch(tag):
            allowed.add(int(tag))
        at = found.end()
    if not allowed:
        raise PreconditionFailed
    return frozenset(allowed)


def idempotency_key(headers: Headers) -> str | None:
    """The caller's Idempotency-Key, if there is one. Raises Problem 400 unless it is 1–255 visible ASCII characters."""
    sent = headers.getlist("idempotency-key")
    if not sent:
        return None
    if len(sent) > 1 or not _IDEMPOTENCY_KEY.fullmatch(sent[0]):
        raise Problem(400, "invalid_request", "Idempotency-Key must be 1 to 255 visible ASCII characters, once.")
    return sent[0]
