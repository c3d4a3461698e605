"""From parsed JSON and query strings to typed requests, with a pointer to everything that does not fit."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from keyfob.errors import Invalid
from keyfob.errors.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")

_MOST_FAULTS: Final = 20  # errors in one response
_LONGEST_NAME: Final = 40  # characters of an unknown member that are repeated; a key pasted there is longer
_STEP: Final = re.compile(r"\[(\d+)\]|\.(\w+)")
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def check_body(read: object, shape: type[S]) -> S:
    """Make a *shape* of a parsed body. Raises Invalid naming every member that is unknown, missing or wrong."""
    if not isinstance(read, dict):
        raise Invalid(("", "this must be an object"))
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    unknown = [name for name in read if name not in fields]
    faults = [(_pointer(name), "this member is unknown") for name in unknown[:_MOST_FAULTS]]
    values: dict[str, object] = {}
    for name, field in fields.items():
        if name in read:
            value, fault = _convert(read[name], field.type)
            values[field.name] = value
            faults += [(_pointer(name) + where, why) for where, why in fault]
        elif field.required:
            faults.append((_pointer(name), "this member is missing"))
    if faults:
        raise Invalid(*faults[:_MOST_FAULTS])
    return shape(**values)


def check_query(pairs: Iterable[tuple[str, str]], shape: type[S]) -> S:
    """Make a *shape* of query parameters. Raises Invalid naming every one that is unknown, repeated or wrong."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    faults: list[tuple[str, str]] = []
    values: dict[str, object] = {}
    for name, text in pairs:
        if len(faults) >= _MOST_FAULTS:
            break
        if name not in fields:
            faults.append((_pointer(name), f"this parameter is unknown{did_you_mean(name[:_LONGEST_NAME], fields)}"))
            continue
        value, fault = _convert_text(text, fields[name].type)
        if name in values:
            fault = [("", "this parameter is given more than once")]
        values[fields[name].name] = value
        faults += [(_pointer(name) + where, why) for where, why in fault]
    if faults:
        raise Invalid(*faults[:_MOST_FAULTS])
    return shape(**values)


def or_none(value: T | msgspec.UnsetType) -> T | None:
    """Give *value*, or None where the caller sent nothing. An empty text is a value."""
    return None if value is msgspec.UNSET else value


def given(request: msgspec.Struct) -> dict[str, object]:
    """The members that the caller sent, which a merge patch tells from those left out (RFC 7396)."""
    members: Mapping[str, object] = {name: getattr(request, name) for name in request.__struct_fields__}
    return {name: value for name, value in members.items() if value is not msgspec.UNSET}


def _convert(value: object, kind: object) -> tuple[object, list[tuple[str, str]]]:
    """Return the value and no fault, or None and why not."""
    try:
        converted: object = msgspec.convert(value, kind)
        return (converted.astimezone(UTC) if isinstance(converted, datetime) else converted), []
    except msgspec.ValidationError as error:
        sentence, _, path = str(error).partition(" - at `$")
        steps = "".join(_pointer(step[1] or step[2]) for step in _STEP.finditer(path))
        return None, [(steps, sentence.replace("`", "").lower())]
    except OverflowError:
        return None, [("", "this time is out of range")]


def _convert_text(text: str, kind: object) -> tuple[object, list[tuple[str, str]]]:
    if _CONTROL.search(text):
        return None, [("", "control characters are not allowed")]
    value, fault = _convert(text, kind)
    if fault and _WHOLE_NUMBER.fullmatch(text):
        return _convert(int(text), kind)
    return value, fault


def _pointer(name: str) -> str:
    """One step of a JSON pointer (RFC 6901, section 3)."""
    return "/" + name[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1")
