"""The likely meaning of a misspelt name, for error messages."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say which of *known* is spelt most like *name*, or list them; ready to follow a sentence without its end."""
    names = sorted(known)
    if close := get_close_matches(name, names, n=1, cutoff=0.6):
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(names)}" if names else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Which of *known* is spelt much like *name*, if any is."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.7)), None)


def is_misspelt(name: str, known: Iterable[str]) -> bool:
    """Whether *name* is spelt much like one of *known*."""
    return nearest(name, known) is not None
