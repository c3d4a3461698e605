"""Finds everything in a text that names a key: whole keys in any surroundings, display forms, and bare ids."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from keyfob.keys.format import BODY_LENGTH, ID_LENGTH, parse_key

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNDERSCORE: Final = r"(?:\\*_|%(?:25)*5[fF])"  # as it is, escaped for Markdown, or percent-encoded any number of times
_WORD: Final = r"[a-z][a-z0-9]{1,15}"
_ID: Final = rf"[0-9A-Za-z]{{{ID_LENGTH}}}"
_MENTION = re.compile(
    rf"(?P<prefix>{_WORD}){_UNDERSCORE}(?P<type>{_WORD}){_UNDERSCORE}(?P<id>{_ID})"
    rf"(?:{_UNDERSCORE}(?P<body>[0-9A-Za-z]{{{BODY_LENGTH}}})|(?![0-9A-Za-z]))"
    rf"|(?<![0-9A-Za-z])(?P<bare>{_ID})(?![0-9A-Za-z])"
)


_CUT = re.compile(rf"({_WORD}{_UNDERSCORE}{_WORD}{_UNDERSCORE}{_ID}){_UNDERSCORE}[0-9A-Za-z]{{{BODY_LENGTH // 2},}}")


def cut_keys(text: str) -> str:
    """Cut each whole key in *text*, and each of which at least half of its end is there, to the form that is shown."""
    return _CUT.sub(r"\1_…", text)


class Form(Enum):
    """How a text names a key."""

    WHOLE = "whole"
    DAMAGED = "damaged"  # a whole key whose checksum is wrong
    DISPLAY = "display"
    BARE = "bare"  # 16 characters that may be an id
    FOREIGN = "foreign"  # a text in the form of another product's keys


@dataclass(frozen=True, slots=True)
class Mention:
    """One place at which a text names a key. *line* and *column* count from 1, the column in characters."""

    form: Form
    key_id: str
    line: int
    column: int
    is_ours: bool  # whether it begins with our prefix, or needs none
    text: str | None = field(default=None, repr=False)  # a whole key, or one in a foreign form


def mentions(text: str, *, prefix: str = "kf") -> list[Mention]:
    """Every mention in *text*, in its order. What begins otherwise than with *prefix* counts only as a whole key."""
    found = []
    line, line_start = 1, 0
    for match in _matches(text, prefix):
        begin = match.start()
        named = match["prefix"]
        is_ours = named is None or named.endswith(prefix)
        if named is not None and is_ours:  # "xkf_api_…": the key begins where our prefix does
            begin += len(named) - len(prefix)
        line += text.count("\n", line_start, begin)
        line_start = max(line_start, text.rfind("\n", 0, begin) + 1)
        mention = _mention(match, prefix if is_ours else named, (line, begin - line_start + 1), is_ours=is_ours)
        if mention is not None:
            found.append(mention)
    return found


def own_places(text: str, *, prefix: str = "kf") -> list[tuple[int, int]]:
    """Where in *text* something is written in the form of our own keys, whole or not."""
    found = _matches(text, prefix)
    return [match.span() for match in found if match["prefix"] is not None and match["prefix"].endswith(prefix)]


def _matches(text: str, prefix: str) -> Iterator[re.Match[str]]:
    """All that could be a mention, in its order. Whole keys of ours come first, so that nothing before one hides it."""
    end = 0
    for start in re.finditer(prefix, text):
        begin = start.start()
        match = _MENTION.match(text, begin) if begin >= end else None
        if match is None or parse_key(_written(match, prefix), prefix=prefix) is None:
            continue
        yield from _MENTION.finditer(text, end, begin)
        yield match
        end = match.end()
    yield from _MENTION.finditer(text, end)


def _written(match: re.Match[str], prefix: str) -> str:
    """The key as it was before anything was escaped in it."""
    return f"{prefix}_{match['type']}_{match['id']}_{match['body']}"


def _mention(match: re.Match[str], prefix: str, place: tuple[int, int], *, is_ours: bool) -> Mention | None:
    if match["bare"] is not None:
        return Mention(Form.BARE, match["bare"], *place, is_ours=True)
    if match["body"] is None:
        return Mention(Form.DISPLAY, match["id"], *place, is_ours=True) if is_ours else None
    text = _written(match, prefix)
    if parse_key(text, prefix=prefix) is not None:
        return Mention(Form.WHOLE, match["id"], *place, is_ours=is_ours, text=text)
    return Mention(Form.DAMAGED, match["id"], *place, is_ours=True) if is_ours else None
