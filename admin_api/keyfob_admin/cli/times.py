"""Times as people write them on a command line: ``90d``, ``12h``, ``6mo``, a date, or RFC 3339."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

HOW = "90d, 12h, 2w, 6mo, a date like 2030-01-31, or a time like 2030-01-31T12:00:00Z"
NEVER = "never"  # what a person writes to take an expiry away

_LENGTH = re.compile(r"(\d{1,6})(s|min|mo|m|h|d|w)\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_AMBIGUOUS, _MONTHS = "m", "mo"
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def now() -> datetime:
    """Give the time, in UTC."""
    return datetime.now(UTC)


def read_moment(text: str, *, at: datetime, back: bool = False) -> datetime:
    """Read a time. A length of time is counted from *at*, into the past if *back*; a date is its midnight in UTC.

    Raises:
        ValueError: the text is no time; the message says what to write instead.
    """
    text = text.strip()
    length = _LENGTH.match(text.lower())
    if length is not None:
        return _after(at, int(length[1]) * (-1 if back else 1), length[2])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"this is not a time; write {HOW}") from None
    if _DATE.match(text):
        return moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise ValueError("the time zone is missing; add Z for UTC")
    return moment.astimezone(UTC)


def _after(at: datetime, count: int, unit: str) -> datetime:
    """Count from *at*. A month later is the same day of that month, or its last day."""
    if unit == _AMBIGUOUS:
        raise ValueError(f"m could be minutes or months; write {abs(count)}min or {abs(count)}mo")
    try:
        if unit != _MONTHS:
            return at + timedelta(**{_UNITS[unit]: count})
        year, month = divmod(at.year * 12 + at.month - 1 + count, 12)
        day = min(at.day, calendar.monthrange(year, month + 1)[1])
        return at.replace(year=year, month=month + 1, day=day)
    except (OverflowError, ValueError):
        raise ValueError("this is too far away") from None


def moment_option(
    *, back: bool = False, never: bool = False
) -> Callable[[click.Context, click.Parameter, str | None], object]:
    """Make an option's callback that reads a time; with *never* one may also say `NEVER`."""

    def read(_: click.Context, __: click.Parameter, text: str | None) -> object:
        if text is None or (never and text.strip().lower() == NEVER):
            return text and NEVER
        try:
            return read_moment(text, at=now(), back=back)
        except (ValueError, OverflowError) as wrong:
            raise click.BadParameter(f"{text!r}: {wrong}.") from None

    return read


def from_now(moment: datetime, *, at: datetime) -> str:
    """Say how far off *moment* is, in the largest unit that fits: ``in 90 days``."""
    left = round((moment - at).total_seconds())
    for unit, seconds in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if left >= 2 * seconds:
            return f"in {round(left / seconds):,} {unit}"
    return f"in {left} seconds"
