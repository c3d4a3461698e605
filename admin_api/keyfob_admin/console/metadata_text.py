"""Metadata as people write it on a form: one ``name: value`` a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from keyfob.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

HOW = "Write one name and value a line, for example customer: Globex"


def written(metadata: Mapping[str, Any]) -> str:
    """Write *metadata* so that `read` gives the same."""
    return "\n".join(f"{name}: {_shown(value)}" for name, value in metadata.items())


def read(text: str, before: Collection[str] = ()) -> dict[str, Any]:
    """Read *text* as a merge patch: names of *before* that it does not have are None. Raises Invalid."""
    patch: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise Invalid(("/metadata", HOW))
        if name.strip() in patch:
            raise Invalid(("/metadata", f"{name.strip()} is there twice"))
        patch[name.strip()] = _meant(value.strip())
    return dict.fromkeys(before) | patch


def _shown(value: object) -> str:
    """Write a text as it is, unless it would be read as something else."""
    if isinstance(value, str) and _meant(value) == value and value == value.strip() and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=True)


def _meant(text: str) -> object:
    """Read a number, true, false, or a text in quotes as JSON; everything else is a text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | bool | int | float) else text
