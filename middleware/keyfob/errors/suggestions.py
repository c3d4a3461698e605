"""The likely meaning of a misspelt name, for error messages.

The names come from callers, and comparing two texts takes time that grows with the product of their lengths. So long
names are compared with nothing, and no name with more than so many others. Whoever checks a list of names asks for
suggestions for the first `SUGGESTED` wrong ones only.
"""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SUGGESTED = 3  # wrong names of one request or file that get a suggestion
_LONGEST = 60  # characters; no name of ours is as long, and longer ones are not compared
_MOST = 500  # names that one is compared with
_MOST_LISTED = 50  # names that a message lists


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say which of *known* is spelt most like *name*, or list them; ready to follow a sentence without its end."""
    names = sorted(known)
    if close := _closest(name, names, cutoff=0.6):
        return f"; did you mean {close}?"
    listed = [*names[:_MOST_LISTED], *(["…"] if len(names) > _MOST_LISTED else [])]
    return f"; known are {', '.join(listed)}" if names else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Which of *known* is spelt much like *name*, if any is."""
    return _closest(name, known, cutoff=0.7)


def is_misspelt(name: str, known: Iterable[str]) -> bool:
    """Whether *name* is spelt much like one of *known*."""
    return nearest(name, known) is not None


def _closest(name: str, known: Iterable[str], *, cutoff: float) -> str | None:
    if len(name) > _LONGEST:
        return None
    short = (other for other in known if len(other) <= _LONGEST)
    return next(iter(get_close_matches(name, list(islice(short, _MOST)), n=1, cutoff=cutoff)), None)
