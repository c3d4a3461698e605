"""Times as people write them on a command line: ``90d``, ``12h``, ``2w``, or RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_SPAN = re.compile(r"(\d{1,6})([smhdw])\Z", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NOTIFICATION = "write 90d, 12h, 2w or a time like 2030-01-31T12:00:00Z"


def now() -> datetime:
    """Give the time, in UTC."""
    return datetime.now(UTC)


def span(text: str) -> timedelta | None:
    """Read a length of time; None if it is none."""
    match = _SPAN.match(text.strip().lower())
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None


def read_moment(text: str, *, at: datetime, back: bool = False) -> datetime:
    """Read a time, counted from *at* (into the past if *back*). Raises ValueError."""
    length = span(text)
    if length is not None:
        try:
            return at - length if back else at + length
        except OverflowError:
            raise ValueError(f"{text} is too far away") from None
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        raise ValueError("the time zone is missing; add Z for UTC")
    return moment.astimezone(UTC)


NEVER = "never"  # what a person writes to take an expiry away


def moment_option(
    *, back: bool = False, never: bool = False
) -> Callable[[click.Context, click.Parameter, str | None], object]:
    """Make an option's callback that reads a time; with *never* one may also say `NEVER`."""

    def read(_: click.Context, __: click.Parameter, text: str | None) -> object:
        if text is None or (never and text == NEVER):
            return text
        try:
            return read_moment(text, at=now(), back=back)
        except (ValueError, OverflowError):
            raise click.BadParameter(f"{text!r} is not a time: {_NOTIFICATION}.") from None

    return read
