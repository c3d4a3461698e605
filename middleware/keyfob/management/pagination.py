"""Parses query parameters: sizes, times and page tokens. Errors point at the parameter's name."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from keyfob.errors import Invalid

T = TypeVar("T")

DEFAULT_PAGE = 50
LARGEST_PAGE = 1000
_LONGEST_TOKEN = 2000  # a name of 100 characters, case-folded and escaped, is well below
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)
_NUMBER = re.compile(r"[0-9]{1,9}\Z")
_LARGEST = 2**63  # what a column of either store can hold


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of items, and the token for the next page; None on the last page."""

    items: tuple[T, ...]
    next_token: str | None
    total: int | None = None  # how many there are on all pages; None where nobody counted


def read_number(value: int | str, name: str, *, most: int) -> int:
    """Read a whole number from 1 to *most*. Raises Invalid."""
    number = int(value) if isinstance(value, int) or _NUMBER.match(value) else 0
    if 1 <= number <= most:
        return number
    raise Invalid((f"/{name}", f"This must be a whole number from 1 to {most:,}"))


def read_moment(value: datetime | str, name: str) -> datetime:
    """Read a time with its offset (RFC 3339). Raises Invalid."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(_RFC3339.match(value)[0].upper())  # type: ignore[index] # no match is a TypeError
        if moment.utcoffset() is not None:
            return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise Invalid((f"/{name}", "This must be a date and time with its offset, for example 2027-01-31T12:00:00Z"))


def read_text(value: str, name: str, *, most: int = 200) -> str:
    """Read a text that a store can compare: at most *most* characters, no NUL, no lone surrogate. Raises Invalid."""
    if len(value) <= most and is_storable(value):
        return value
    raise Invalid((f"/{name}", f"This must be a text of {most} characters or fewer, without control characters"))


def is_storable(value: object) -> bool:
    """Whether *value* is a text or number that both stores accept as a parameter."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value < _LARGEST


def write_token(*place: str | int) -> str:
    """Encode a position in a listing as an opaque text."""
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def read_token(token: str, *, listing: str, kinds: tuple[type, ...]) -> list[str | int]:
    """Decode a token of `write_token`: return the parts after the first, which must be *listing*, each of its kind.

    Raises:
        Invalid: the token was not made for this listing.
    """
    place = _decoded(token)
    fits = place[:1] == [listing] and tuple(map(type, place[1:])) == kinds and all(map(is_storable, place))
    if not fits:
        raise Invalid(("/page_token", "This page token does not belong to this listing; start without one"))
    return place[1:]


def _decoded(token: str) -> list[str | int]:
    """Return the arguments of `write_token`, or an empty list."""
    if len(token) > _LONGEST_TOKEN or not token.isascii():
        return []
    try:
        place = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return []
    return place if isinstance(place, list) else []
