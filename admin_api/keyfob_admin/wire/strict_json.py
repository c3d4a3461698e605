"""JSON that means one thing (RFC 7493): no duplicate members, NaN, lone surrogates or bottomless nesting."""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

from keyfob_admin.problems import Problem

MAX_DEPTH: Final = 32
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"  # a parser may ignore it (RFC 8259, section 8.1); PowerShell and .NET send it
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def is_blank(body: bytes) -> bool:
    """Whether *body* holds nothing but blanks, so that it counts as left out."""
    return not body.removeprefix(_BYTE_ORDER_MARK).strip(b" \t\r\n")


def parse(body: bytes) -> object:
    """Read *body*. Raises Problem 400 for everything that is not strict JSON; never a RecursionError."""
    if is_blank(body):
        raise _refused("the body is empty; this call needs a JSON object")
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if _depth(body) > MAX_DEPTH:
        raise _refused(f"the JSON is nested deeper than {MAX_DEPTH} levels")
    try:
        read: object = json.loads(
            body.decode(), object_pairs_hook=_without_repeats, parse_constant=_no_constant, parse_float=_finite
        )
        if b"\\u" in body:
            json.dumps(read, ensure_ascii=False).encode()  # half a surrogate pair is no character
    except UnicodeError as error:
        raise _refused("the body is not text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise _refused(f"the body is not JSON (line {error.lineno}, column {error.colno})") from error
    except ValueError as error:  # a number with thousands of digits
        raise _refused("the body holds a number that is out of range") from error
    return read


def _depth(body: bytes) -> int:
    """How deep brackets nest outside strings. Stops counting once it is too deep."""
    depth = deepest = 0
    for found in _STRING_OR_BRACKET.finditer(body):
        match found[0]:
            case b"[" | b"{":
                depth += 1
                deepest = max(deepest, depth)
                if depth > MAX_DEPTH:
                    break
            case b"]" | b"}":
                depth -= 1
            case _:  # a string
                pass
    return deepest


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _refused("an object has two members with the same name")
    return members


def _no_constant(_name: str) -> NoReturn:
    raise _refused("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _refused("the body holds a number that is out of range")
    return number


def _refused(detail: str) -> Problem:
    return Problem(400, "invalid_json", detail[:1].upper() + detail[1:] + ".")
