"""Metadata and external ids: what an application notes on a key or team, and finds again in every request's grant."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from keyfob.errors import Invalid
from keyfob.keys.record import NO_METADATA
from keyfob.keys.scan import cut_keys

if TYPE_CHECKING:
    from keyfob.keys.record import MetadataValue

MEMBERS = 32
MEMBER_NAME = "[A-Za-z0-9_.-]{1,40}"
BYTES = 4096  # of the compact JSON text in UTF-8
EXTERNAL_ID_LENGTH = 128

_NAME = re.compile(MEMBER_NAME)
_EXTERNAL_ID = re.compile(rf"[\x20-\x7e]{{1,{EXTERNAL_ID_LENGTH}}}")
_SHOWN = 60  # characters of a wrong name that its pointer repeats


def clean_metadata(value: object, *, pointer: str = "/metadata") -> Mapping[str, MetadataValue | None]:
    """Give *value* as a merge patch of metadata: null removes a member. None removes all, and so does `merged`.

    Raises:
        Invalid: a name or a value that metadata cannot have.
    """
    if not isinstance(value, Mapping):
        raise Invalid((pointer, "Metadata must be an object"))
    errors = [
        (f"{pointer}/{_escaped(str(name))}", why)
        for name, one in value.items()
        if (why := _fault(name, one)) is not None
    ]
    if errors:
        raise Invalid(*errors[:MEMBERS])
    return dict(value)


def merged(
    before: Mapping[str, MetadataValue], patch: Mapping[str, MetadataValue | None] | None, *, pointer: str = "/metadata"
) -> Mapping[str, MetadataValue]:
    """Apply a clean *patch* (RFC 7396) to *before*; None clears it. Raises Invalid if the result is too large."""
    if patch is None:
        return NO_METADATA
    after = {name: _without_keys(value) for name, value in {**before, **patch}.items() if value is not None}
    if len(after) > MEMBERS:
        raise Invalid((pointer, f"Metadata can have at most {MEMBERS} members"))
    if len(json.dumps(after, ensure_ascii=False, separators=(",", ":")).encode()) > BYTES:
        raise Invalid((pointer, f"Metadata can have at most {BYTES:,} bytes as JSON"))
    return MappingProxyType(after) if after else NO_METADATA


def clean_external_id(value: object, *, pointer: str = "/external_id") -> str | None:
    """Give *value* as the id that another system knows a key or team by: 1–128 printable ASCII characters, or None."""
    if value is None or (isinstance(value, str) and _EXTERNAL_ID.fullmatch(value)):
        if value is not None and cut_keys(value) != value:
            raise Invalid((pointer, "This is a whole key; name it by its id"))
        return value
    raise Invalid((pointer, f"This must be 1 to {EXTERNAL_ID_LENGTH} printable ASCII characters"))


def _fault(name: object, value: object) -> str | None:
    """Why metadata cannot have this member, or None."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return "A name has 1 to 40 of A-Z, a-z, 0-9, _, . and -"
    if isinstance(value, str):
        return None if value.isprintable() or not _has_surrogate(value) else "This is no text in Unicode"
    if value is None or isinstance(value, bool | int):
        return None
    if isinstance(value, float) and math.isfinite(value):
        return None
    return "A value is a text, a number, true or false"


def _without_keys(value: MetadataValue) -> MetadataValue:
    return cut_keys(value) if isinstance(value, str) else value


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _escaped(name: str) -> str:
    """Escape *name* for a JSON pointer (RFC 6901, section 3)."""
    return name[:_SHOWN].replace("~", "~0").replace("/", "~1")
