"""What happens while requests cannot be counted where they should be: ``limits_on_outage``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from keyfob.errors import LimitsUnavailable
from keyfob.limits.windows import Outcome

if TYPE_CHECKING:
    from keyfob.limits.windows import Counter, Meter, Standing

log = logging.getLogger("keyfob")

_THEN = {
    "local": "each worker counts alone, so that up to the limit passes through each",
    "open": "every request passes",
    "closed": "requests with limits are answered 503",
}


class WithFallback:
    """Counts with *counter*, or does without it as configured. It logs the begin and the end of an outage."""

    def __init__(self, counter: Counter, alone: Counter, on_outage: str) -> None:
        """*on_outage* is "local", where *alone* counts instead, "open" or "closed"."""
        self._counter = counter
        self._alone = alone
        self._on_outage = on_outage
        self._is_out = False

    def take(self, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Count *cost* for each of *meters* if all have room. Raises LimitsUnavailable only if "closed"."""
        try:
            outcome = self._counter.take(meters, cost)
        except LimitsUnavailable as error:
            self._begin(error)
            if self._on_outage == "closed":
                raise
            if self._on_outage == "open":
                return Outcome(has_room=True, standings=())
            return self._alone.take(meters, cost)
        if self._is_out:
            self._is_out = False
            log.warning("limits are counted as usual again", extra={"event": "limits_available"})
        return outcome

    def look(self, meters: tuple[Meter, ...]) -> tuple[Standing, ...]:
        """Read without counting. Raises LimitsUnavailable."""
        return self._counter.look(meters)

    def close(self) -> None:
        """Let go of what is open."""
        self._counter.close()

    def _begin(self, error: LimitsUnavailable) -> None:
        if not self._is_out:
            self._is_out = True
            log.warning(
                "limits cannot be counted, and %s: %s",
                _THEN[self._on_outage],
                error,
                extra={"event": "limits_unavailable"},
            )
