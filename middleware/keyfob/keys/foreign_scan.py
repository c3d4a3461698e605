"""Finds texts in the forms of other products' keys in a text: in a URL, in quotes, at the end of a sentence.

A form may take any character, so a text does not say where a key in it ends. What is tried is each run of the
characters that a form takes, the pieces of it between marks such as ``=`` and ``&``, and each without the marks around
it. These are a few tries for each run, none of them longer than the longest key, so the time grows with the length of
the text alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from keyfob.keys.foreign import SHORTEST
from keyfob.keys.scan import Form, Mention, own_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyfob.keys.foreign import ForeignForms

_PIECE: Final = re.compile(rf"[0-9A-Za-z_.-]{{{SHORTEST},}}")
_MARK: Final = re.compile(r"[^0-9A-Za-z_.-]")
_MOST_ENDINGS: Final = 4  # of one run, each from behind a mark on
_MOST_TRIMMED: Final = 4  # marks at the end, one after the other: the full stop of a sentence, but not the key's own

Span = tuple[int, int]


def without_foreign(text: str, forms: ForeignForms) -> str:
    """*text* with "…" in the place of each key in one of *forms*."""
    for mention in foreign_mentions(text, forms):
        text = text.replace(mention.text or "", "…")
    return text


def foreign_mentions(text: str, forms: ForeignForms, *, prefix: str = "kf") -> list[Mention]:
    """Every mention in *text* of a key in one of *forms*, in its order. None lies where a key of our own is written."""
    taken = own_places(text, prefix=prefix)
    found: list[Span] = []
    for run in forms.runs:
        for match in run.finditer(text):
            found.extend(_fitting(text, match.span(), forms))
    kept: list[Span] = []
    for begin, end in sorted(found, key=lambda span: (span[0], -span[1])):
        while taken and taken[0][1] <= begin:
            taken.pop(0)
        is_ours = bool(taken) and taken[0][0] < end
        if not is_ours and (not kept or kept[-1][1] <= begin):
            kept.append((begin, end))
    return list(_placed(text, kept))


def _fitting(text: str, run: Span, forms: ForeignForms) -> Iterator[Span]:
    """The parts of *run* that have one of the forms, the longest of those that begin alike first."""
    for begin, end in dict.fromkeys(_parts(text, *run)):
        if forms.fits(text[begin:end].encode("ascii")):
            yield begin, end


def _parts(text: str, begin: int, end: int) -> Iterator[Span]:
    """What of a run is tried: all of it, its pieces between marks, and what comes after each of the first marks."""
    yield from _both(text, begin, end)
    for piece in _PIECE.finditer(text, begin, end):
        yield from _both(text, *piece.span())
    for number, mark in enumerate(_MARK.finditer(text, begin, end)):
        if number == _MOST_ENDINGS:
            break
        yield from _both(text, mark.end(), end)


def _both(text: str, begin: int, end: int) -> Iterator[Span]:
    """The span, and the ones without the marks before it and without more and more of those after it."""
    first, last = begin, end
    while first < end and not text[first].isalnum():
        first += 1
    while last > first and not text[last - 1].isalnum():
        last -= 1
    nearest = range(end, max(last, end - _MOST_TRIMMED) - 1, -1)
    for start in dict.fromkeys((begin, first)):
        for stop in dict.fromkeys((*nearest, last)):
            yield start, stop


def _placed(text: str, spans: list[Span]) -> Iterator[Mention]:
    line, line_start = 1, 0
    for begin, end in spans:
        line += text.count("\n", line_start, begin)
        line_start = max(line_start, text.rfind("\n", 0, begin) + 1)
        yield Mention(Form.FOREIGN, "", line, begin - line_start + 1, is_ours=False, text=text[begin:end])
