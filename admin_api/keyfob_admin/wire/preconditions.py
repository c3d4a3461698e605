"""The headers that make a call conditional: If-Match, If-None-Match (RFC 9110, section 13.1) and Idempotency-Key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyfob.errors import PreconditionFailed
from keyfob_admin.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.datastructures import Headers

_ANY: Final = "*"
_ENTITY_TAG: Final = re.compile(r'[ \t]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(?:,|\Z)')
_BARE_TAG: Final = re.compile(r"[0-9A-Za-z]{1,20}")
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_SHOWN: Final = 40  # characters of a wrong header that its message repeats

NO_MATCH: Final = "The key was changed since you read it."
EXISTS: Final = "If-None-Match names the key as it is now."
UNREADABLE: Final = "{header} must be * or a list of entity tags in double quotes, as ETag gives them"
WEAK: Final = "If-Match compares strongly, so the weak tag W/{tag} never matches; send {tag}, as ETag gives it."


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What If-Match and If-None-Match demand. The headers are read when they are checked, after everything else."""

    if_match: str | None = None
    if_none_match: str | None = None

    @classmethod
    def of(cls, headers: Headers) -> Preconditions:
        """Take the headers of a request. Several lines count as one list (RFC 9110, section 5.3)."""
        return cls(_joined(headers, "if-match"), _joined(headers, "if-none-match"))

    def check(self, revision: int) -> None:
        """Decide whether a key at *revision* may be changed, in the order of RFC 9110, section 13.2.2.

        Raises:
            PreconditionFailed: it may not, or a header cannot be read; the message says which.
        """
        self.check_if_match(revision)
        if self.if_none_match is not None and _is_named(self.if_none_match, etag(revision)):
            raise PreconditionFailed(EXISTS)

    def check_if_match(self, revision: int) -> None:
        """Decide about If-Match alone, which a read may carry, too. Raises PreconditionFailed."""
        if self.if_match is not None:
            _check_if_match(self.if_match, etag(revision))

    def is_unchanged(self, revision: int) -> bool:
        """Whether a read may be answered with 304. An If-None-Match that cannot be read names nothing."""
        try:
            return self.if_none_match is not None and _is_named(self.if_none_match, etag(revision))
        except PreconditionFailed:
            return False


def etag(revision: int) -> str:
    """The strong entity tag of a key at *revision*."""
    return f'"{revision}"'


def idempotency_key(headers: Headers) -> str | None:
    """The caller's Idempotency-Key, if there is one. Raises Problem 400 unless it is 1–255 visible ASCII characters."""
    sent = headers.getlist("idempotency-key")
    if not sent:
        return None
    if len(sent) > 1 or not _IDEMPOTENCY_KEY.fullmatch(sent[0]):
        raise Problem(400, "invalid_request", "Idempotency-Key must be 1 to 255 visible ASCII characters, once.")
    return sent[0]


def _joined(headers: Headers, name: str) -> str | None:
    lines = headers.getlist(name)
    return ",".join(lines) if lines else None


def _check_if_match(listed: str, present: str) -> None:
    """Compare strongly (RFC 9110, section 13.1.1)."""
    if listed.strip(" \t") == _ANY:
        return
    tags = list(_tags(listed, "If-Match"))
    if (False, present) in tags:
        return
    weak = next((tag for is_weak, tag in tags if is_weak), None)
    raise PreconditionFailed(NO_MATCH if weak is None else WEAK.format(tag=weak[:_SHOWN]))


def _is_named(listed: str, present: str) -> bool:
    """Compare weakly (RFC 9110, section 13.1.2)."""
    return listed.strip(" \t") == _ANY or present in (tag for _, tag in _tags(listed, "If-None-Match"))


def _tags(listed: str, header: str) -> Iterable[tuple[bool, str]]:
    """Give each entity tag of a list with whether it is weak. Raises PreconditionFailed."""
    found = list(_parsed(listed, header))
    if not found:
        raise PreconditionFailed(_unreadable(header, ""))
    return found


def _parsed(listed: str, header: str) -> Iterator[tuple[bool, str]]:
    at = 0
    while at < len(listed):
        found = _ENTITY_TAG.match(listed, at)
        if found is None:
            raise PreconditionFailed(_unreadable(header, listed[at:].partition(",")[0].strip()))
        if found[2] is not None:
            yield found[1] is not None, f'"{found[2]}"'
        at = found.end()


def _unreadable(header: str, written: str) -> str:
    sentence = UNREADABLE.format(header=header)
    return f'{sentence}: write "{written}", not {written}.' if _BARE_TAG.fullmatch(written) else f"{sentence}."
