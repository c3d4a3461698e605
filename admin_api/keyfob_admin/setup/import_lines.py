"""Reads an export line by line, into keys to import; a line that cannot be read is an error of its own."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from keyfob.keys.foreign import SHORTEST_BEGINNING, lookup_by_beginning, lookup_by_digest
from keyfob.keys.foreign_hashes import ForeignHash, read_hash
from keyfob.keys.foreign_scan import foreign_mentions, without_foreign
from keyfob.management.key_import import ForeignKey
from keyfob_admin.setup.import_formats import FORMATS, INACTIVE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from keyfob.keys.foreign import ForeignForms

_MEMBERS: Final = frozenset(
    "name team permissions created_at expires_at key hash algorithm salt hmac_key lookup skip cut description "
    f"external_id secret_is {INACTIVE}".split()
)
_PUBLIC: Final = frozenset({"name", "team", "permissions", "description", "external_id"})  # shown to people, and stored
_NOT_UTF_8: Final = re.compile("[\udc80-\udcff]")  # what stands for bytes that are not
_PLAUSIBLE_SECONDS: Final = 100_000_000_000  # what is beyond is in milliseconds
_REST: Final = ""  # the name of the cells beyond the columns, which no column has
_TOO_MANY: Final = 'it has more cells than there are columns; write quotes around a cell with commas, as in "a:b,c:d"'


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is not imported, and why."""

    where: str
    name: str
    why: str
    is_inactive: bool = False  # the other product refuses it, too


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the command line says about all lines. *secret* is the other product's pepper or HMAC key."""

    format: str
    team: str
    forms: ForeignForms
    permissions: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
    prefix: str = ""


def read_lines(text: str, options: ImportOptions) -> Iterator[ForeignKey | Unreadable]:
    """Read every key of the export *text*. Raises ValueError if it is neither CSV nor JSON."""
    for number, row in enumerate(_rows(text, options), 1):
        where = f"key {number}"
        if isinstance(row, str):
            yield Unreadable(where, "", row)
            continue
        members: dict[str, Any] = dict(row)
        try:
            read = FORMATS[options.format](row, options.prefix)
            members = {name: value for name, value in read.items() if _is_there(value)}
            yield _inactive(where, members) or _key(where, members, options)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
            why = without_foreign(str(error) or type(error).__name__, options.forms)
            yield Unreadable(where, _shown(without_foreign(str(members.get("name", "")), options.forms)), why)


def _rows(text: str, options: ImportOptions) -> Iterator[Mapping[str, Any] | str]:
    """Give each key, or why its line cannot be read."""
    stripped = text.lstrip("\ufeff \t\r\n")
    try:
        if stripped.startswith("["):
            yield from _objects(json.loads(stripped))
        elif stripped.startswith("{") and stripped.partition("\n")[0].strip() != "{":
            yield from (_line(line) for line in stripped.split("\n") if line.strip())  # names may hold other breaks
        elif stripped.startswith("{") or options.format == "ndjson":
            raise ValueError("this is not NDJSON: every line must be a JSON object")
        else:
            yield from _csv_rows(stripped, options.forms)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _line(line: str) -> Mapping[str, Any] | str:
    try:
        return next(iter(_objects([json.loads(line)])))
    except json.JSONDecodeError as error:
        return f"its line is no JSON: {error.msg}, at column {error.colno}"
    except (ValueError, RecursionError):
        return "its line is no JSON object"


def _csv_rows(text: str, forms: ForeignForms) -> Iterator[Mapping[str, Any] | str]:
    reader = csv.DictReader(io.StringIO(text), restkey=_REST)
    try:
        if any(forms.fits(name.encode("utf-8", "replace")) for name in reader.fieldnames or ()):
            raise ValueError("its first line holds a key; it must name the columns, for example: name,key,permissions")
        for row in reader:
            yield _TOO_MANY if _REST in row else row
    except csv.Error as error:
        raise ValueError(f"it is no CSV at line {reader.line_num}: {error}") from None


def _objects(found: object) -> Sequence[Mapping[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError("every key must be a JSON object")
    return found


def _is_there(value: object) -> bool:
    return value is not None and value != ""


def _inactive(where: str, members: Mapping[str, Any]) -> Unreadable | None:
    why = members.get(INACTIVE)
    return Unreadable(where, _shown(members.get("name")), why, is_inactive=True) if why else None


def _key(where: str, members: Mapping[str, Any], options: ImportOptions) -> ForeignKey:
    unknown = sorted(members.keys() - _MEMBERS)
    if unknown:
        raise ValueError(f"there is no member {without_foreign(unknown[0], options.forms)[:60]!r}")
    for name in _PUBLIC & members.keys():
        if _NOT_UTF_8.search(text := str(members[name])):
            raise ValueError(f"its {name} is no UTF-8; save the export anew in that encoding")
        if foreign_mentions(text, options.forms):  # as where two columns were swapped
            raise ValueError(f"its {name} holds a key, which everybody would see")
    lookup, hashed = _secret(members, options)
    granted = _listed(members.get("permissions")) or options.permissions
    return ForeignKey(
        where=where,
        name=_shown(members["name"]) if "name" in members else _no("name"),
        team=str(members.get("team") or options.team),
        permissions=tuple(options.renamed.get(one, one) for one in granted),
        lookup=lookup,
        hash=hashed,
        created_at=_moment(members.get("created_at")),
        expires_at=_moment(members.get("expires_at")),
        description=members.get("description"),
        external_id=str(members["external_id"]) if "external_id" in members else None,
    )


def _secret(members: Mapping[str, Any], options: ImportOptions) -> tuple[str, ForeignHash]:
    """What the row is found by, and what verifies the key."""
    if "key" in members:
        text = str(members["key"])
        if not options.forms.fits(text.encode()):
            raise ValueError("the key has none of the forms that [foreign.*] names")
        lookup = lookup_by_digest("sha256", text)
        return lookup, ForeignHash("sha256", lookup.partition(":")[2])
    algorithm = str(members.get("algorithm") or _no("algorithm"))
    role = members.get("secret_is")
    if role and not options.secret:
        raise ValueError("its hash needs the product's pepper; name the file that holds it with --secret-file")
    given = {name: str(members[name]) for name in ("salt", "hmac_key") if name in members}
    hashed = ForeignHash(
        algorithm,
        read_hash(algorithm, str(members.get("hash") or _no("key or hash"))),
        skip=int(members.get("skip", 0)),
        cut=int(members.get("cut", 0)),
        **given,
        **({str(role): options.secret} if role else {}),
    )
    if "lookup" in members:
        beginning = str(members["lookup"])
        if not beginning.isascii() or not beginning.isprintable():
            raise ValueError("lookup must be of printable ASCII characters")
        if len(beginning) < SHORTEST_BEGINNING:
            raise ValueError(f"lookup must be at least {SHORTEST_BEGINNING} characters of the key's beginning")
        return lookup_by_beginning(beginning), hashed
    if not hashed.is_plain:
        raise ValueError("a hash with a salt, an HMAC key or Argon2 needs lookup, the beginning of the key")
    return f"{algorithm}:{hashed.hash}", hashed


def _no(what: str) -> str:
    raise ValueError(f"it has no {what}")


def _listed(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return tuple(str(one) for one in value) if isinstance(value, list | tuple) else ()


def _moment(value: object) -> datetime | None:
    """Read a time: RFC 3339, with UTC where no offset stands, or seconds or milliseconds since 1970."""
    if value is None:
        return None
    if isinstance(value, str) and not value.isdigit():
        try:
            found = datetime.fromisoformat(value)
        except ValueError:  # whose message repeats what stands there, which may be a key
            raise ValueError("a time is not written as in 2027-01-31T12:00:00Z") from None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    seconds = float(str(value))
    return datetime.fromtimestamp(seconds / 1000 if seconds > _PLAUSIBLE_SECONDS else seconds, UTC)


def _shown(value: object) -> str:
    return str(value)[:100] if value is not None else ""
