"""Sends one webhook: to an address that was checked and pinned, without following redirects, within ten seconds.

The name is resolved once. Every address must be public, and the connection goes to one that was checked: a name
that resolves to another one a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIMEOUT: Final = 10.0  # seconds for everything, from the name to the status
_NO_ADDRESS: Final = "the host has no address"
_LONGEST_LINE: Final = 8_192  # bytes of the response that are looked at
_NAT64: Final = ip_network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = ip_network("2000::/3")  # all that the Internet routes (RFC 4291, section 2.4)
_PROTOCOLS: Final = ip_network("192.0.0.0/24")  # of networks themselves (RFC 6890); not every Python knows


class NotDelivered(Exception):
    """The receiver did not take it; the message says why, without the URL."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether *address* is one of the Internet, and so is the IPv4 address that it may stand for."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        inner = address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if address not in _GLOBAL_UNICAST if inner is None else not is_public(inner):
            return False
    return address.is_global and not address.is_multicast and address not in _PROTOCOLS


async def post(url: str, headers: Mapping[str, str], body: bytes, *, allow_private: bool) -> None:
    """Send *body*; return once the receiver has answered 2xx. Raises NotDelivered."""
    try:
        async with asyncio.timeout(TIMEOUT):
            status = await _post(url, headers, body, allow_private=allow_private)
    except TimeoutError:
        raise NotDelivered(f"no answer within {TIMEOUT:.0f} seconds") from None
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise NotDelivered(f"the connection failed: {_short(error)}") from None
    if not 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, section 15.3
        raise NotDelivered(f"the receiver answered {status}{', a redirect' if 300 <= status < 400 else ''}")  # noqa: PLR2004


async def _post(url: str, headers: Mapping[str, str], body: bytes, *, allow_private: bool) -> int:
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_secure = parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    addresses = await _resolved(host, port, allow_private=allow_private)
    reader, writer = await _connected(addresses, port, host if is_secure else None)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "User-Agent: keyfob",
            "Connection: close",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode("ascii") + body)
        await writer.drain()
        line = await reader.readuntil(b"\n")
        protocol, _, rest = line.partition(b" ")
        if not protocol.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise NotDelivered("the receiver does not speak HTTP/1.1")
        return int(rest[:3])
    finally:
        writer.close()


async def _connected(
    addresses: Sequence[str], port: int, server: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first of *addresses* that answers, by TLS if *server* names who that must be."""
    context = None if server is None else ssl.create_default_context()
    for number, address in enumerate(addresses, 1):
        try:
            async with asyncio.timeout(TIMEOUT / len(addresses)):
                return await asyncio.open_connection(
                    address, port, ssl=context, server_hostname=server, limit=_LONGEST_LINE
                )
        except OSError:
            if number == len(addresses):
                raise
    raise NotDelivered(_NO_ADDRESS)


async def _resolved(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses to connect to. Raises NotDelivered if one of the host's is not public."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise NotDelivered(_NO_ADDRESS) from None
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    if not allow_private and not all(is_public(ip_address(address)) for address in addresses):
        raise NotDelivered("the host has an address that is not public; allow_private = true permits that")
    return addresses


def _short(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the certificate is not valid"
    return getattr(error, "strerror", None) or type(error).__name__
