"""The scheme and host under which a client reached the proxy, where a trusted proxy tells.

Applications build redirects and links from them: behind a proxy that ends TLS, the server itself sees plain http.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import Scope

    from keyfob.gate.client_address import ClientAddress

_PROTO: Final = b"x-forwarded-proto"
_HOST: Final = b"x-forwarded-host"
_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
_OVER_WEBSOCKET: Final = {"http": "ws", "https": "wss"}
# RFC 9110, section 7.2: a name or an address, and a port. What fits neither is not handed on.
_HOSTS = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")


class ForwardedScheme:
    """Puts what a trusted proxy says of scheme and host into the scope."""

    def __init__(self, addresses: ClientAddress) -> None:
        """*addresses* knows which proxies are trusted."""
        self._addresses = addresses

    def apply(self, scope: Scope) -> None:
        """Change *scope* if its peer is a trusted proxy that tells. Of several values the last is the peer's own."""
        if not self._addresses.trusts_peer_of(scope):
            return
        told = {name.lower(): value for name, value in scope["headers"] if name.lower() in {_PROTO, _HOST}}
        scheme = _SCHEMES.get(_last(told.get(_PROTO, b"")).lower())
        if scheme is not None:
            scope["scheme"] = _OVER_WEBSOCKET[scheme] if scope["type"] == "websocket" else scheme
        host = _last(told.get(_HOST, b""))
        if _HOSTS.match(host):
            others = [header for header in scope["headers"] if header[0].lower() != b"host"]
            scope["headers"] = [(b"host", host), *others]


def _last(value: bytes) -> bytes:
    return value.rpartition(b",")[2].strip(b" \t")
