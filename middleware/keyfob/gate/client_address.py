"""Where a request came from, as far as it can be believed.

Without trusted proxies it is the address of the peer, whatever the headers say. Behind trusted ones, each of which
appends the address of who called it, the chain is read from the right: the first hop that is not trusted is the
client. What stands to its left is the client's own invention.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import ConfigError
from keyfob.policy.ip_ranges import parse_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

UNIX: Final = "unix"
"""Among trusted proxies: a peer without an address, as behind a Unix socket."""

_LONGEST = 64  # characters; an IPv6 address has at most 45, and a zone id or a port follow it
_MOST_HOPS = 32  # trusted proxies in a row; a longer chain is made up
_REMEMBERED = 4096  # addresses
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_WITH_PORT = re.compile(r"\[([0-9a-fA-F:.%\w]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", re.ASCII)


class Networks:
    """A set of networks that can be asked for an address."""

    __slots__ = ("contains",)

    def __init__(self, cidrs: Iterable[str]) -> None:
        """Take addresses and ranges as `keyfob.policy.ip_ranges` reads them. Raises ValueError."""
        networks = tuple(parse_range(text)[0] for text in cidrs)

        @lru_cache(_REMEMBERED)
        def holds(ip: str) -> bool:
            text = _canonical(ip)
            return text is not None and any(ip_address(text) in network for network in networks)

        def contains(ip: str | None) -> bool:
            return ip is not None and len(ip) <= _LONGEST and holds(ip)  # a server may hand on what a client made up

        self.contains: Callable[[str | None], bool] = contains
        """Whether an address is in one of the networks. One that is unknown, or none, is not."""


class ClientAddress:
    """Finds the client's address in an ASGI scope. *trusted_proxies* are networks, or `UNIX`."""

    __slots__ = ("_clients", "_header", "_trusts", "_trusts_unix", "of")

    def __init__(self, trusted_proxies: Sequence[str] = (), header: str = "x-forwarded-for") -> None:
        """Raise ConfigError if a proxy or the name of the header cannot be right."""
        if isinstance(trusted_proxies, str):
            raise ConfigError(f'trusted_proxies must be a list: write ["{trusted_proxies}"]')
        name = header.lower()
        if name == "forwarded" or not _TOKEN.fullmatch(name):
            raise ConfigError(f'client_ip_header "{header}" cannot be read: name one that holds addresses alone')
        self._header = name.encode("ascii")
        self._trusts_unix = UNIX in trusted_proxies
        networks = _networks(trusted_proxies)
        self._trusts = networks.contains if networks is not None else None
        self._clients: dict[str, str] = {}  # peers that are no proxies, and how their addresses are written
        self.of: Callable[[Mapping[str, Any]], str | None] = self._through_proxies if trusted_proxies else self._of_peer
        """Return the client's address as canonical text, or None where it is unknown.

        IPv4-mapped IPv6 counts as IPv4; zone ids and ports are dropped. An unreadable hop makes it unknown.
        """

    def trusts_peer_of(self, scope: Mapping[str, Any]) -> bool:
        """Whether the peer is itself a trusted proxy, so that its word counts."""
        client = scope.get("client")
        if not client or not client[0]:
            return self._trusts_unix
        return self._trusts is not None and self._trusts(client[0])

    def _of_peer(self, scope: Mapping[str, Any]) -> str | None:
        """Return the peer's own address: nobody may speak for another."""
        try:
            return self._clients[scope["client"][0]]
        except (LookupError, TypeError):  # a peer that is new here, or has no address
            client = scope.get("client")
            return self._remembered(client[0]) if client and client[0] else None

    def _through_proxies(self, scope: Mapping[str, Any]) -> str | None:
        client = scope.get("client")
        peer = client[0] if client else None
        if not peer:
            return self._forwarded(scope, None) if self._trusts_unix else None
        known = self._clients.get(peer)
        if known is not None:
            return known
        address = canonical(peer)
        if self._trusts is not None and self._trusts(address):
            return self._forwarded(scope, address)
        return self._remembered(peer)

    def _remembered(self, peer: str) -> str | None:
        """The address of a *peer* that is no proxy."""
        address = canonical(peer)
        if address is not None:
            if len(self._clients) >= _REMEMBERED:
                self._clients.clear()
            self._clients[peer] = address
        return address

    def _forwarded(self, scope: Mapping[str, Any], address: str | None) -> str | None:
        header = self._header
        lines = [value for name, value in scope["headers"] if name.lower() == header]
        if not lines:
            return address
        for hop in reversed(b",".join(lines).decode("latin-1").rsplit(",", _MOST_HOPS)):
            address = _hop(hop.strip(" \t"))
            if address is None or self._trusts is None or not self._trusts(address):
                return address
        return address


def canonical(text: str) -> str | None:
    """Return the one way to write the address *text*, without zone id, or None if it is none."""
    return _canonical(text) if len(text) <= _LONGEST else None


@lru_cache(_REMEMBERED)
def _canonical(text: str) -> str | None:
    try:
        address = ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _hop(text: str) -> str | None:
    written = _WITH_PORT.fullmatch(text) if len(text) <= _LONGEST else None
    return canonical((written[1] or written[2]) if written else text)


def _networks(trusted_proxies: Iterable[str]) -> Networks | None:
    cidrs = [text for text in trusted_proxies if text != UNIX]
    try:
        return Networks(cidrs) if cidrs else None
    except ValueError as error:
        raise ConfigError(f'trusted_proxies: {error}; write networks such as "10.0.0.0/8", or "{UNIX}"') from error
