"""Addresses and address ranges as people write them: ``203.0.113.7``, ``10.0.0.0/8``, ``2001:db8::/32``.

Deliberately strict: no netmasks, no zone ids, and no host bits, which could be mistaken for part of the range.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_interface

Network = IPv4Network | IPv6Network

_SHAPE = re.compile(r"[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?")
_MAPPED_BITS = 96  # ::ffff:0:0/96 holds the IPv4 addresses (RFC 4291, section 2.5.5.2)


def parse_range(text: str) -> tuple[Network, str]:
    """Parse *text* and return the network and its short form; IPv4-mapped IPv6 becomes IPv4.

    Raises:
        ValueError: *text* is neither an address nor a range, or has host bits.
    """
    if _SHAPE.fullmatch(text) is None:
        raise ValueError(_not_a_range(text))
    try:
        interface = ip_interface(text)
    except ValueError:
        raise ValueError(_not_a_range(text)) from None
    network: Network = interface.network
    if interface.ip != network.network_address:
        raise ValueError(f"{text} has host bits; write {network} for the range or {interface.ip} for the address")
    network = _unmapped(network)
    return network, str(network) if "/" in text else str(network.network_address)


def _unmapped(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((int(mapped), network.prefixlen - _MAPPED_BITS))
    return network


def _not_a_range(text: str) -> str:
    shown = text if len(text) <= 50 else f"{text[:50]}…"  # noqa: PLR2004 - longer than any address
    return f"{shown} isn't an IP address or range"
