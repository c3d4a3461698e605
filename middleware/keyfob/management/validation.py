"""What a key's and a team's fields may hold. Each function cleans one value or raises `Invalid` with its pointer.

Names and descriptions are brought to NFC (Unicode Standard Annex 15) and lose the space around them. Characters
that could make a list of keys lie are refused: controls, bidirectional embeddings, overrides and isolates
(Unicode Standard Annex 9), surrogates and code points that mean nothing yet.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keyfob.errors import Invalid
from keyfob.keys.scan import cut_keys
from keyfob.management.key_limits import clean_limits, clean_raise
from keyfob.management.key_quotas import clean_quota
from keyfob.management.metadata import clean_external_id, clean_metadata
from keyfob.policy.ip_ranges import parse_range
from keyfob.policy.permissions import is_grant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Cut = Callable[[str], str]

NAME_LENGTH = 100
EMAIL_LENGTH = 254
DESCRIPTION_LENGTH = 1000
REASON_LENGTH = 500
PERMISSIONS = 200
ADDRESSES = 64

_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINE_LAYOUT = "\n\t"
_PERSON_ID = re.compile(r"[0-9A-Za-z]{1,64}")
_TEAM_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # fillers and the blank pattern: shown as nothing
_INVISIBLE_CATEGORIES = frozenset({"Cf", "Mn", "Me", "Zs"})  # nothing to see when there is nothing else
_LONGEST_DECOMPOSED = 4  # code points that NFC makes one (UAX 15, section 14); longer texts need no composing
_SHOWN = 60  # characters of a wrong value that its message repeats


def clean_fields(fields: Mapping[str, object], *, now: datetime, cut: Cut = str) -> dict[str, object]:
    """Clean those fields of a key that are given, and raise one `Invalid` for all that are wrong.

    *cut* takes keys of other products out of names and texts.
    """
    cleaners: dict[str, Callable[[object], object]] = {
        "name": lambda value: clean_name(value, cut=cut),
        "description": lambda value: clean_description(value, cut=cut),
        "permissions": clean_permissions,
        "expires_at": lambda value: clean_expiry(value, now),
        "ip_allow": clean_addresses,
        "metadata": lambda value: None if value is None else clean_metadata(value),
        "external_id": clean_external_id,
        "limits": clean_limits,
        "quota": clean_quota,
        "limits_raised": lambda value: clean_raise(value, now),
    }
    clean: dict[str, object] = {}
    errors: list[tuple[str, str]] = []
    for field, value in fields.items():
        if field not in cleaners:
            errors.append((f"/{_escaped(field)}", "There is no such field, or it can't be set"))
            continue
        try:
            clean[field] = cleaners[field](value)
        except Invalid as invalid:
            errors.extend(invalid.errors)
    if errors:
        raise Invalid(*errors)
    return clean


def clean_name(value: object, *, pointer: str = "/name", cut: Cut = str) -> str:
    """Give *value* as a name of 1–100 characters that can be seen."""
    if not isinstance(value, str):
        raise Invalid((pointer, "Enter a name"))
    name = _clean_text(cut(value), "Name", NAME_LENGTH, pointer)
    if all(_is_invisible(character) for character in name):
        raise Invalid((pointer, "Enter a name"))
    return name


def clean_email(value: object, *, pointer: str = "/email") -> str:
    """Give *value* as an e-mail address of up to 254 characters: something, an @ and a domain, without blanks.

    Characters that nobody sees are refused, and those that NFC makes ASCII: with a Kelvin sign for its K, somebody
    else's address would become this one.
    """
    wrong = Invalid((pointer, "Enter an e-mail address, for example ana@example.com"))
    if not isinstance(value, str):
        raise wrong
    address = _clean_text(value, "E-mail", EMAIL_LENGTH, pointer)
    local, at, domain = address.rpartition("@")
    if not (at and local and domain.strip(".")) or any(character.isspace() for character in address):
        raise wrong
    for character in value.strip():
        if _becomes_ascii(character) or not character.isprintable():
            raise Invalid((pointer, f"E-mail can't contain the character U+{ord(character):04X}"))
    return address


def clean_description(value: object, *, pointer: str = "/description", cut: Cut = str) -> str | None:
    """Give *value* as a text of up to 1,000 characters, line breaks allowed; an empty one is None."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid((pointer, "Description must be a text"))
    lines = cut(value).replace("\r\n", "\n")
    return _clean_text(lines, "Description", DESCRIPTION_LENGTH, pointer, allowed=_LINE_LAYOUT) or None


def clean_permissions(value: object, *, pointer: str = "/permissions") -> tuple[str, ...]:
    """Give *value* sorted and without repeats; at most 200 permissions or wildcards, each well formed."""
    items = _items(value, "permissions", PERMISSIONS, pointer)
    errors = [
        (f"{pointer}/{index}", f"{_shown(item)} isn't a permission{_notification(item)}")
        for index, item in enumerate(items)
        if not (isinstance(item, str) and is_grant(item))
    ]
    if errors:
        raise Invalid(*errors)
    return tuple(sorted({str(item) for item in items}))


def clean_addresses(value: object, *, pointer: str = "/ip_allow") -> tuple[str, ...]:
    """Give *value* in canonical form, in the order given and without repeats; at most 64, None means none."""
    items = _items(() if value is None else value, "addresses", ADDRESSES, pointer)
    found: dict[object, str] = {}
    errors: list[tuple[str, str]] = []
    for index, item in enumerate(items):
        try:
            network, text = parse_range(item.strip() if isinstance(item, str) else _shown(item))
        except ValueError as error:
            errors.append((f"{pointer}/{index}", str(error)))
        else:
            found.setdefault(network, text)
    if errors:
        raise Invalid(*errors)
    return tuple(found.values())


def clean_expiry(value: object, now: datetime, *, pointer: str = "/expires_at") -> datetime | None:
    """Give *value* in UTC; it must lie after *now*. None means that the key never expires."""
    if value is None:
        return None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise Invalid((pointer, "Expiry must be a date and time with its offset, for example 2027-01-31T12:00:00Z"))
    if value <= now:
        raise Invalid((pointer, "Expiry must be in the future"))
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise Invalid((pointer, "Expiry must be before the year 10000")) from None


def clean_owner(value: object, *, pointer: str = "/owner") -> str | None:
    """Give *value* as the id of a person, or None for the team: ``{"person": ID}`` or ``"team"``."""
    match value:
        case "team":
            return None
        case {"person": str(person), **rest} if not rest and _PERSON_ID.fullmatch(person):
            return person
    raise Invalid((pointer, 'Owner must be {"person": ID} or "team"'))


def clean_reason(value: object, *, pointer: str = "/reason", cut: Cut = str) -> str | None:
    """Give *value* as the reason for a change: a text of up to 500 characters, line breaks allowed, or None."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid((pointer, "Reason must be a text"))
    return _clean_text(cut(value).replace("\r\n", "\n"), "Reason", REASON_LENGTH, pointer, allowed=_LINE_LAYOUT) or None


def clean_team_id(value: object, *, pointer: str = "/id") -> str:
    """Give *value* as the id of a team: 1–63 of a–z, 0–9 and hyphen, not starting with a hyphen."""
    if isinstance(value, str) and _TEAM_ID.fullmatch(value):
        return value
    wanted = "Team id must be 1 to 63 lower-case letters, digits and hyphens, and start with a letter or digit"
    raise Invalid((pointer, wanted))


def _clean_text(value: str, what: str, longest: int, pointer: str, *, allowed: str = "") -> str:
    enough = longest * _LONGEST_DECOMPOSED
    text = cut_keys(value.strip(" "))  # a key that was pasted by mistake must not reach the database or the audit log
    text = unicodedata.normalize("NFC", text) if len(text) <= enough else text
    for character in text[:enough]:
        if _is_refused(character) and character not in allowed:
            raise Invalid((pointer, f"{what} can't contain the character U+{ord(character):04X}"))
    text = text.strip()
    if len(text) > longest:
        raise Invalid((pointer, f"{what} must be {longest:,} characters or fewer"))
    return text


def _is_refused(character: str) -> bool:
    return character in _BIDI_CONTROLS or unicodedata.category(character) in _REFUSED_CATEGORIES


def _becomes_ascii(character: str) -> bool:
    return not character.isascii() and unicodedata.normalize("NFC", character).isascii()


def _is_invisible(character: str) -> bool:
    return character in _INVISIBLE_LETTERS or unicodedata.category(character) in _INVISIBLE_CATEGORIES


def _items(value: object, what: str, most: int, pointer: str) -> list[object]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise Invalid((pointer, f"This must be a list of {what}"))
    if len(value) > most:
        raise Invalid((pointer, f"At most {most} {what} are allowed"))
    return list(value)


def _notification(item: object) -> str:
    """Say what was probably meant by what is no permission."""
    if not isinstance(item, str):
        return ""
    if is_grant(item.lower()):
        return f"; did you mean {_shown(item.lower())}?"
    return "; name each one by itself" if all(map(is_grant, re.split(r"[,; ]+", item))) else ""


def _shown(item: object) -> str:
    text = item if isinstance(item, str) else "This"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _escaped(field: str) -> str:
    """Escape *field* for a JSON pointer (RFC 6901, section 3)."""
    return _shown(field).replace("~", "~0").replace("/", "~1")
