"""Telling of what was refused: a count, a line in the log, and whoever wants to be called."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from keyfob.asgi.responses import status_of
from keyfob.gate.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    from keyfob.gate.client_address import ClientAddress
    from keyfob.gate.stats import Stats
    from keyfob.gate.verdict import Denied

log = logging.getLogger("keyfob")


class DenialLog:
    """What is told of each refusal that a client gets, or would get if Keyfob did not only observe."""

    def __init__(
        self, stats: Stats, addresses: ClientAddress, on_denied: Callable[[Denied], object] | None = None
    ) -> None:
        """*on_denied* is the user's own; what it raises changes nothing."""
        self._stats = stats
        self._addresses = addresses
        self._on_denied = on_denied

    def tell(self, denied: Denied, scope: Scope) -> None:
        """Tell that what *scope* asks for was *denied*."""
        self._stats.denied += 1
        if denied.reason is Reason.SATURATED:
            self._stats.shed += 1
        if log.isEnabledFor(logging.INFO):
            # %a escapes whatever a client put into its path: one request, one line.
            log.info(
                "refused %d %s: %s %a from %s, key %s",
                status_of(denied.reason),
                denied.reason,
                scope.get("method", "WS"),
                scope["path"],
                self._addresses.of(scope),
                denied.key_id,
                extra={"event": "request_refused"},
            )
        if self._on_denied is not None:
            try:
                self._on_denied(denied)
            except Exception:
                log.exception(
                    "on_denied raised; the request is refused all the same", extra={"event": "on_denied_failed"}
                )
