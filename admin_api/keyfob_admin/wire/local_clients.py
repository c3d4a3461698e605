"""Who may see how the server is: ``/metrics`` and ``/readyz?verbose``.

No key is needed from loopback and from the addresses of ``[metrics] allow``; others need one with ``metrics:read``. A
request that came through a proxy is judged by the client's address, and only if ``trusted_proxies`` resolves it: a
proxy on this machine would otherwise make everybody local.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from keyfob.gate.client_address import ClientAddress, canonical
from keyfob_admin.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from keyfob.runtime.runtime import Runtime

MEASURES: Final[Mapping[str, object]] = {"permission": "metrics:read", "key_types": ["admin"], "otherwise": "app"}
"""The rule for a path that `LocalOnly` guards: a key that is sent must be good, and without one it decides."""

_FORWARDING: Final = frozenset(
    (b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip")
)
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="keyfob"'}


class LocalOnly:
    """Tells whether a request without a key may see how the server is."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        self._addresses = runtime.addresses
        self._allowed = ClientAddress(settings.metrics.allow)
        self._header = settings.client_ip_header.encode()

    def admits(self, scope: Scope) -> bool:
        """Whether the request's key was accepted, or its client needs none."""
        if scope.get("keyfob") is not None:
            return True
        address = self._addresses.of(scope)
        if self._is_forwarded(scope):
            client = scope.get("client")
            if not self._addresses.trusts_peer_of(scope) or address == (canonical(client[0]) if client else None):
                return False
        if address is not None and ip_address(address).is_loopback:
            return True
        return self._allowed.trusts_peer_of({"client": None if address is None else (address, 0)})

    def _is_forwarded(self, scope: Scope) -> bool:
        return any(
            name in _FORWARDING or name == self._header or name.startswith(b"x-forwarded-")
            for name, _ in scope["headers"]
        )


def key_needed(what: str) -> Problem:
    """Refuse a request that `LocalOnly` does not admit; *what* needs a key from there."""
    return Problem(401, "missing_key", f"From here, {what} an admin key with metrics:read.", _CHALLENGE)
