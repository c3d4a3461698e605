"""Lengths of time as people write them in settings and calls: ``0s``, ``90min``, ``24h``, ``90d``, ``2w``."""

from __future__ import annotations

import re
from datetime import timedelta

HOW = 'a whole number and one of s, min, h, d and w, for example "24h" or "90d"'
_LENGTH = re.compile(r"([0-9]{1,9})(s|min|h|d|w)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_length(text: object) -> timedelta:
    """Read a length of time. Raises ValueError for anything else."""
    found = _LENGTH.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"must be {HOW}")
    try:
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise ValueError("is too long") from None


def written_length(length: timedelta) -> str:
    """Write *length* in the largest unit that divides it."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
