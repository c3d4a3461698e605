"""Is this what the document says? Loosely: what differs from run to run may differ, and ``…`` stands for anything.

Keys, ids, times and fingerprints are alike if they have the same form. JSON is compared as data, so a document may
lay it out over several lines; in it ``…`` as a value, an element or a member stands for whatever else there is.
"""

from __future__ import annotations

import json
import re
from typing import Any

ANYTHING = "…"

_VARYING = [
    (re.compile(r"\bkf_([a-z][a-z0-9]+)_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}\b"), r"<key \1>"),
    (re.compile(r"\bkf_([a-z][a-z0-9]+)_…"), r"<key \1>"),
    (re.compile(r"\bkf_([a-z][a-z0-9]+)_[0-9A-Za-z]{16}\b"), r"<id \1>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "<time>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "<day>"),
    (re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b"), "<hex>"),
    (re.compile(r"\b[0-9A-Za-z]{16}\b"), "<id>"),
    (re.compile(r"\b[\w.-]+ \(cli\)"), "<person> (cli)"),
    (re.compile(r'(?<=etag: ")\d+(?=")|(?<="\\")\d+(?=\\"")'), "1"),
    (re.compile(r'(?<="seq": )\d+|(?<="seq":)\d+'), "1"),
]


def differs(said: str, was: str) -> str | None:
    """What is other than the document said, or None."""
    said, was = _masked(said.strip()), _masked(was.strip())
    if (wanted := _json(said)) is not None:
        got = _json(was)
        return f"this is no JSON: {was}" if got is None else _differs_as_data(wanted, got, "")
    return _differs_by_lines(said.splitlines(), was.splitlines())


def _masked(text: str) -> str:
    for pattern, stand_in in _VARYING:
        text = pattern.sub(stand_in, text)
    return text


def _differs_by_lines(said: list[str], was: list[str]) -> str | None:
    """Go through both; a line that is only ``…`` skips lines until the next that was said."""
    place = 0
    skips = False
    for line in said:
        if line.strip() == ANYTHING:
            skips = True
            continue
        here = place
        while skips and here < len(was) and not _is_line(line, was[here]):
            here += 1
        if here >= len(was) or not _is_line(line, was[here]):
            seen = was[place] if place < len(was) else "the end"
            return f"said {line!r}, but there was {seen!r}"
        place, skips = here + 1, False
    if place < len(was) and not skips:
        return f"nothing more was said, but there was {was[place]!r}"
    return None


def _is_line(said: str, was: str) -> bool:
    wanted = _json(said)
    if isinstance(wanted, dict | list):
        got = _json(was)
        return got is not None and _differs_as_data(wanted, got, "") is None
    return _is_text(" ".join(said.split()), " ".join(was.split()))


def _is_text(said: str, was: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in said.split(ANYTHING))
    return re.fullmatch(pattern, was, re.DOTALL) is not None


def _json(text: str) -> Any:
    """The data that *text* writes, with ``…`` allowed; None if it is something else."""
    if not text.startswith(("{", "[")):
        return None
    strings = re.compile(r'("(?:[^"\\]|\\.)*")')
    parts = strings.split(text)
    parts[::2] = [_filled(part) for part in parts[::2]]
    try:
        return json.loads("".join(parts))
    except ValueError:
        return None


def _filled(text: str) -> str:
    """Make ``…`` outside of strings a member, an element or a value."""
    text = re.sub(r"([,{]\s*)…(?=\s*[,}])", r'\1"…": "…"', text)
    return re.sub(r"(?<!\")…(?!\")", '"…"', text)


def _differs_as_data(said: Any, was: Any, where: str) -> str | None:
    if said == ANYTHING:
        return None
    if isinstance(said, dict) and isinstance(was, dict):
        return _differs_as_object(said, was, where)
    if isinstance(said, list) and isinstance(was, list):
        return _differs_as_list(said, was, where)
    alike = _is_text(said, was) if isinstance(said, str) and isinstance(was, str) else said == was
    return None if alike and type(said) is type(was) else f"said {where or '/'} is {said!r}, but it was {was!r}"


def _differs_as_object(said: dict[str, Any], was: dict[str, Any], where: str) -> str | None:
    unsaid = was.keys() - said.keys()
    if unsaid and ANYTHING not in said:
        return f"nothing was said of {where}/{min(unsaid)}"
    missing = said.keys() - was.keys() - {ANYTHING}
    if missing:
        return f"there is no {where}/{min(missing)}"
    found = (_differs_as_data(said[name], was[name], f"{where}/{name}") for name in said if name != ANYTHING)
    return next((what for what in found if what), None)


def _differs_as_list(said: list[Any], was: list[Any], where: str) -> str | None:
    is_open = bool(said) and said[-1] == ANYTHING
    wanted = said[:-1] if is_open else said
    if len(was) < len(wanted) or (len(was) > len(wanted) and not is_open):
        return f"said {where or '/'} has {len(wanted)} elements, but it had {len(was)}"
    found = (
        _differs_as_data(one, other, f"{where}/{n}") for n, (one, other) in enumerate(zip(wanted, was, strict=False))
    )
    return next((what for what in found if what), None)
