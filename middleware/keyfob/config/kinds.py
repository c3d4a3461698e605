"""The kinds of settings and their allowed values, whatever the source.

A `Kind` checks a value and returns it in the form that Keyfob uses. A value from the environment is first parsed from
text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from keyfob.errors.suggestions import did_you_mean
from keyfob.policy.ip_ranges import parse_range
from keyfob.store.url import InvalidURL, StoreURL

ARGON2_DEFAULTS: Mapping[str, int] = MappingProxyType({"memory_kib": 19_456, "time": 2})  # OWASP's least
_VALKEY = frozenset({"valkey", "valkeys", "redis", "rediss"})  # those that end in s with TLS
_SWITCHES = {"true": True, "1": True, "false": False, "0": False}


class InvalidValue(ValueError):
    """A setting cannot have this value; the message continues the setting's name: "max_staleness" + "must be …"."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of setting: *check* validates a value, *from_text* first parses one from the environment."""

    check: Callable[[object], object]
    from_text: Callable[[str], object] = str


def number(low: float, high: float) -> Kind:
    """Accept a number from *low* to *high*, whole or not."""

    def check(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise InvalidValue(_must_be(f"a number from {low:,g} to {high:,g}", value))
        return float(value)

    return Kind(check, lambda text: _read(float, text))


def whole(low: int, high: int) -> Kind:
    """Accept a whole number from *low* to *high*; True is not one."""

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InvalidValue(_must_be(f"a whole number from {low:,} to {high:,}", value))
        return value

    return Kind(check, lambda text: _read(int, text))


def switch() -> Kind:
    """Accept true or false; in the environment also 1 and 0."""

    def check(value: object) -> bool:
        if not isinstance(value, bool):
            raise InvalidValue(_must_be("true or false", value))
        return value

    return Kind(check, lambda text: _SWITCHES.get(text.strip().lower(), text))


def switch_or(other: str) -> Kind:
    """Accept true, false or *other*; in the environment also 1 and 0."""

    def check(value: object) -> bool | str:
        if not isinstance(value, bool) and value != other:
            raise InvalidValue(_must_be(f'true, false or "{other}"', value))
        return other if value == other else value is True

    return Kind(check, lambda text: _SWITCHES.get(text.strip().lower(), text))


def word(*allowed: str) -> Kind:
    """Accept one of *allowed*."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            notification = did_you_mean(value, allowed) if isinstance(value, str) else ""
            raise InvalidValue(_must_be(" or ".join(f'"{name}"' for name in allowed), value) + notification)
        return value

    return Kind(check)


def text_like(pattern: str, what: str) -> Kind:
    """Accept a text that matches *pattern* as a whole; *what* describes its shape to people."""
    shape = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str) or shape.fullmatch(value) is None:
            raise InvalidValue(_must_be(what, value))
        return value

    return Kind(check)


def lower(kind: Kind) -> Kind:
    """Accept the values of *kind*, and convert them to lower case."""
    return Kind(lambda value: str(kind.check(value)).lower(), kind.from_text)


def proxies() -> Kind:
    """Accept addresses, ranges and the word "unix", for peers on a Unix socket, which have no address."""

    def check(value: object) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise InvalidValue(_must_be('a list of addresses, for example ["10.0.0.0/8"]', value))
        return tuple(_proxy(item) for item in value)

    return Kind(check, lambda text: [item.strip() for item in text.split(",") if item.strip()])


def lower_names(pattern: str, example: str) -> Kind:
    """Accept one or more different names that match *pattern*, and use them in lower case."""
    shape = re.compile(pattern)

    def check(value: object) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence) or not value:
            raise InvalidValue(_must_be(f"a list of names, for example {example}", value))
        for item in value:
            if not isinstance(item, str) or shape.fullmatch(item) is None:
                raise InvalidValue(f"holds a wrong entry: {item!r}; it is a list such as {example}")
        names = tuple(name.lower() for name in value)
        if len(set(names)) != len(names):
            raise InvalidValue("names something twice; keep one of them")
        return names

    return Kind(check, lambda text: [item.strip() for item in text.split(",") if item.strip()])


def words(*allowed: str) -> Kind:
    """Accept a list of different ones of *allowed*, or an empty list."""
    single = word(*allowed)

    def check(value: object) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise InvalidValue(_must_be(f'a list, for example ["{allowed[0]}"]', value))
        chosen = tuple(_entry(single, item) for item in value)
        if len(set(chosen)) < len(chosen):
            raise InvalidValue("names something twice; keep one of them")
        return chosen

    return Kind(check, lambda text: [item.strip() for item in text.split(",") if item.strip()])


def argon2() -> Kind:
    """Accept a table of memory_kib (8 to 65,536) and time (1 to 10); omitted values keep their defaults.

    A stored hash beyond the upper bounds is refused before it is computed.
    """
    parts = {"memory_kib": whole(8, 65_536), "time": whole(1, 10)}

    def check(value: object) -> dict[str, object]:
        if not isinstance(value, Mapping):
            raise InvalidValue(_must_be("a table, for example { memory_kib = 19456, time = 2 }", value))
        for name in value:
            if name not in parts:
                raise InvalidValue(f"has no part {name}{did_you_mean(str(name), parts)}")
        return {name: _part(name, kind, value.get(name, ARGON2_DEFAULTS[name])) for name, kind in parts.items()}

    def from_text(text: str) -> object:
        pairs = [item.partition("=") for item in text.split(",")]
        return {name.strip(): _read(int, number) for name, _, number in pairs}

    return Kind(check, from_text)


def file_path() -> Kind:
    """Accept a path and return a `Path`, still relative to its source."""

    def check(value: object) -> Path:
        if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
            raise InvalidValue(_must_be('a path, for example "keyfob.keyring"', value))
        return Path(value)

    return Kind(check)


def limits_store() -> Kind:
    """Accept "local", or the URL of a Valkey or Redis. No message repeats it: it may hold a password."""

    def check(value: object) -> str:
        if value == "local" or (isinstance(value, str) and _is_valkey_url(value)):
            return str(value)
        raise InvalidValue('must be "local", or a URL such as "valkey://host:6379/0"')

    return Kind(check)


def _is_valkey_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in _VALKEY and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an address between them, or a port that is none
        return False


def store_url() -> Kind:
    """Accept the URL of a store. It may hold a password, so no message repeats it."""
    return Kind(_store_url)


def table() -> Kind:
    """Accept a table; other code checks its entries."""

    def check(value: object) -> object:
        if not isinstance(value, Mapping):
            raise InvalidValue(_must_be("a table", value))
        return value

    return Kind(check)


def placed(value: object, folder: Path) -> object:
    """Resolve a relative path, or the relative path in a SQLite URL, against *folder*."""
    if isinstance(value, Path):
        return folder / value
    return value.under(folder) if isinstance(value, StoreURL) else value


def _store_url(value: object) -> StoreURL:
    try:
        return StoreURL.parse(value)
    except InvalidURL as error:
        raise InvalidValue(str(error)) from None


def _proxy(item: object) -> str:
    if item == "unix":
        return "unix"
    if not isinstance(item, str):
        raise InvalidValue(_must_be('a list of addresses, for example ["10.0.0.0/8"]', item))
    try:
        return str(parse_range(item.strip())[0])
    except ValueError as error:
        raise InvalidValue(f"holds a wrong entry: {error}") from None


def _entry(kind: Kind, item: object) -> str:
    try:
        return str(kind.check(item))
    except InvalidValue as error:
        raise InvalidValue(f"holds a wrong entry, which {error}") from None


def _part(name: str, kind: Kind, value: object) -> object:
    try:
        return kind.check(value)
    except InvalidValue as error:
        raise InvalidValue(f"{name} {error}") from None


def is_plain(text: str) -> bool:
    """Whether *text* is printable ASCII without spaces."""
    return text.isascii() and text.isprintable() and " " not in text


def _read(reader: Callable[[str], object], text: str) -> object:
    """Parse *text*, or return it unchanged so that the check reports it."""
    try:
        return reader(text)
    except ValueError:
        return text


def _must_be(what: str, value: object) -> str:
    shown = repr(value)
    return f"must be {what}, not {shown if len(shown) <= 60 else shown[:60] + '…'}"  # noqa: PLR2004
