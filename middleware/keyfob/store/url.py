"""Parses store URLs: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or PostgreSQL.

A PostgreSQL URL is a libpq connection URI (PostgreSQL manual, 34.1.1.2) with one additional parameter, ``listen=off``.
The driver sends every unknown parameter to the server as a setting, and the server then refuses each connection without
naming the URL. So each libpq parameter is either supported here or refused by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from keyfob.errors.suggestions import did_you_mean

SQLITE: Final = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")
_WANTED = 'must be a URL like "sqlite:///keyfob.db", "sqlite:////var/lib/keyfob.db" or "postgresql://user@host/db"'

_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_ANY = None
# Parameters that the driver supports, with their values; None allows any.
_DRIVER: dict[str, tuple[str, ...] | None] = {
    "host": _ANY,
    "port": _ANY,
    "dbname": _ANY,
    "database": _ANY,
    "user": _ANY,
    "password": _ANY,
    "passfile": _ANY,
    "application_name": _ANY,
    "options": _ANY,
    "krbsrvname": _ANY,
    "gsslib": ("gssapi", "sspi"),
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslcert": _ANY,
    "sslkey": _ANY,
    "sslrootcert": _ANY,
    "sslcrl": _ANY,
    "sslpassword": _ANY,
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
}
# Parameters that Keyfob handles: these values change nothing, and are not passed to the driver.
_SETTLED: dict[str, tuple[str, ...]] = {
    "target_session_attrs": ("any", "read-write", "primary"),  # Keyfob always asks for the primary
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "client_encoding": ("auto", "UTF8", "utf8", "UTF-8", "utf-8"),
    "keepalives": ("0", "1"),  # every statement has its own time limit
}
_REFUSED = {
    "channel_binding": "channel_binding=require, which the driver asyncpg cannot do; "
    "take it out, and use sslmode=verify-full",
    "gssencmode": "gssencmode=require, which the driver asyncpg cannot do; use sslmode=verify-full",
    "target_session_attrs": "target_session_attrs that may lead to a replica, which learns of a revoked key too late; "
    "write primary, or take it out",
    "client_encoding": "client_encoding, which can only be UTF8; take it out",
    "pgbouncer": "pgbouncer, which is not a parameter of PostgreSQL; take it out: Keyfob works behind a pooler",
    "service": "service, which Keyfob does not read; write out host, user and database",
}
_FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl")
_OWN = ("listen", "connect_timeout")
_PARAMETER = re.compile(r"[a-z_]{2,40}")
_LARGEST_PORT = 65_535


class InvalidURL(ValueError):
    """A store URL is malformed. The message continues "store url", and repeats no value."""


@dataclass(frozen=True, slots=True)
class StoreURL:
    """The location of a store. Its repr and *shown* hold no password."""

    text: str = field(repr=False)  # as it was written
    shown: str
    path: Path | None = None  # of the SQLite file; None for PostgreSQL
    dsn: str = field(default="", repr=False)  # for the PostgreSQL driver
    listens: bool = True  # whether a dedicated connection listens for notifications
    connect_timeout: float | None = None  # seconds; None leaves it to Keyfob

    @classmethod
    def parse(cls, text: object) -> StoreURL:
        """Read *text*. Raises InvalidURL."""
        if not isinstance(text, str):
            raise InvalidURL(_WANTED)
        if text.startswith(SQLITE):
            return cls(text, shown=text, path=_file(text))
        scheme = next((scheme for scheme in _POSTGRES if text.startswith(scheme)), None)
        if scheme is None or text == scheme or not text.isprintable() or " " in text:
            raise InvalidURL(_WANTED)
        return _postgres(text, f"{_POSTGRES[0]}{text.removeprefix(scheme)}")

    def under(self, folder: Path) -> StoreURL:
        """Return this URL with a relative SQLite path resolved against *folder*."""
        return self if self.path is None else StoreURL.parse(f"{SQLITE}{folder / self.path}")


def _file(text: str) -> Path:
    path = text.removeprefix(SQLITE)
    if ":memory:" in path:
        raise InvalidURL("names a database in memory, which no second process could see; name a file")
    if not path.strip("/") or "?" in path or "#" in path or not path.isprintable():
        raise InvalidURL('names no file; write "sqlite:///keyfob.db", without options')
    return Path(path)


def _postgres(text: str, dsn: str) -> StoreURL:
    try:
        parts = urlsplit(dsn)
    except ValueError:
        raise InvalidURL("names a host that can't be read") from None
    if "@" in f"{parts.path}{parts.query}" or parts.fragment:
        raise InvalidURL(
            "has a special character in its password; write @ / ? # and : there as %40 %2F %3F %23 and %3A"
        )
    credentials, at, hosts = parts.netloc.rpartition("@")
    _check_hosts(hosts)
    given = _parameters(parts)
    for name, value in given.items():
        _check(name, value)
    rest = "&".join(entry for entry in parts.query.split("&") if entry.partition("=")[0] in _DRIVER)
    timeout = int(given.get("connect_timeout", "0"))
    return StoreURL(
        text,
        shown=f"{_POSTGRES[0]}{credentials.partition(':')[0]}{at}{hosts}{parts.path}",
        dsn=f"{dsn.partition('?')[0]}{'?' if rest else ''}{rest}",
        listens=given.get("listen") != "off",
        connect_timeout=float(timeout) if timeout > 0 else None,  # zero means "wait indefinitely" in libpq
    )


def _check_hosts(hosts: str) -> None:
    for host in hosts.split(","):
        _, bracket, behind = host.rpartition("]")
        _, colon, port = (behind if bracket else host).rpartition(":")
        if colon:
            _check_port(port)


def _check_port(port: str) -> None:
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _LARGEST_PORT):
        raise InvalidURL(f"names a port that is no number from 1 to {_LARGEST_PORT}")


def _parameters(parts: SplitResult) -> dict[str, str]:
    if not parts.query:
        return {}
    try:
        return dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    except ValueError:
        raise InvalidURL("has a parameter without a value; write them as ?sslmode=require&listen=off") from None


def _check(name: str, value: str) -> None:
    """Raise InvalidURL unless the parameter *name* is supported and may have this *value*."""
    if name in _REFUSED and value not in _SETTLED.get(name, ()):
        raise InvalidURL(f"has the parameter {_REFUSED[name]}")
    if name == "listen" and value not in {"on", "off"}:
        raise InvalidURL("has a listen that is neither on nor off, as in postgresql://user@host/db?listen=off")
    if name == "connect_timeout" and not re.fullmatch(r"-?[0-9]{1,6}", value):
        raise InvalidURL("has a connect_timeout that is no whole number of seconds")
    if name == "port":
        for port in value.split(","):
            _check_port(port)
    if name in _FILES and not Path(value).is_file():
        raise InvalidURL(f"names a file in {name} that is not there or cannot be read")
    known = _SETTLED.get(name, _DRIVER.get(name))
    if known is not None and value not in known:
        raise InvalidURL(f"has a value of {name} that is not one of {', '.join(known)}")
    if not value and name not in {"password", "options"}:
        raise InvalidURL(f"has the parameter {name} without a value")
    if name not in _DRIVER and name not in _SETTLED and name not in _OWN:
        _refuse_unknown(name)


def _refuse_unknown(name: str) -> None:
    if not _PARAMETER.fullmatch(name):  # a password with a special character may look like one
        raise InvalidURL("has a parameter that is none of PostgreSQL's; its name is not repeated here")
    raise InvalidURL(
        f"has the parameter {name}, which Keyfob does not know{did_you_mean(name, {**_DRIVER, **_SETTLED})}"
    )
