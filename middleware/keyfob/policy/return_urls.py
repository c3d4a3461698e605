"""The addresses to which a page may lead back: those below the ones that the configuration names, read strictly.

An address that two programs could read as two different ones is no address here: user names, backslashes, controls,
empty and dot segments, and escapes that stand for what parts a path. So no reading of it leads to another site.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST: Final = 2000  # characters; what every browser and proxy takes
_PART: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"  # "pchar" of RFC 3986, appendix A
_ADDRESS: Final = re.compile(
    r"(?i:(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]))"
    rf"(?::(?P<port>[0-9]{{1,5}}))?(?P<path>(?:/{_PART}*)*)(?:\?(?:{_PART}|[/?])*)?(?:#(?:{_PART}|[/?])*)?"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HIGHEST_PORT: Final = 65_535
_PARTS_A_PATH: Final = re.compile(r"[\x00-\x1f\x7f/\\]")


@dataclass(frozen=True, slots=True)
class ReturnURL:
    """What decides whether an address lies below another one."""

    scheme: str
    host: str
    port: int
    path: str  # without a last slash

    @classmethod
    def read(cls, text: str) -> ReturnURL | None:
        """Read an address; None for anything that is not plainly one."""
        found = _ADDRESS.fullmatch(text) if len(text) <= LONGEST else None
        if found is None or not _is_plain(found["path"]):
            return None
        scheme = found["scheme"].lower()
        port = int(found["port"] or _DEFAULT_PORTS[scheme])
        if not 0 < port <= _HIGHEST_PORT:
            return None
        return cls(scheme, found["host"].lower(), port, found["path"].rstrip("/"))

    def is_below(self, other: ReturnURL) -> bool:
        """Whether this is *other* or one of the addresses inside it."""
        same_site = (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)
        return same_site and (self.path == other.path or self.path.startswith(f"{other.path}/"))


def leads_below(text: str, allowed: Iterable[str]) -> bool:
    """Whether *text* is an address that lies below one of *allowed*."""
    address = ReturnURL.read(text)
    if address is None:
        return False
    return any(address.is_below(around) for around in map(ReturnURL.read, allowed) if around is not None)


def _is_plain(path: str) -> bool:
    """Whether no program reads another path in *path*: empty segments are refused but for the last one."""
    segments = path.split("/")[1:]
    if "" in segments[:-1]:
        return False
    return all(_is_plain_segment(unquote(segment, "latin-1")) for segment in segments)


def _is_plain_segment(segment: str) -> bool:
    return segment not in {".", ".."} and _PARTS_A_PATH.search(segment) is None
