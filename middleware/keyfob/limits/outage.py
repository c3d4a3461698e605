"""What happens while requests cannot be counted where they should be: ``limits_on_outage``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from keyfob.errors import LimitsUnavailable
from keyfob.limits.windows import Outcome

if TYPE_CHECKING:
    from keyfob.limits.windows import Counter, Meter, RemoteCounter, Repeating, Standing, Watch

log = logging.getLogger("keyfob")

_THEN = {
    "local": "each worker counts alone, so that up to the limit passes through each",
    "open": "every request passes",
    "closed": "requests with limits are answered 503",
}


class Outage:
    """Whether it is one now. It logs the begin and the end."""

    def __init__(self, on_outage: str) -> None:
        """*on_outage* is "local", "open" or "closed"."""
        self._on_outage = on_outage
        self.problem: str | None = None

    def answer(self, error: LimitsUnavailable, alone: Counter, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Answer for one request that could not be counted because of *error*. Raises it if "closed"."""
        if self.problem is None:
            log.warning(
                "limits cannot be counted, and %s: %s",
                _THEN[self._on_outage],
                error,
                extra={"event": "limits_unavailable"},
            )
        self.problem = f"limits cannot be counted, and {_THEN[self._on_outage]}: {error}"
        if self._on_outage == "closed":
            raise error
        return alone.take(meters, cost) if self._on_outage == "local" else Outcome(has_room=True, standings=())

    def end(self) -> None:
        """Something was counted."""
        if self.problem is not None:
            self.problem = None
            log.warning("limits are counted as usual again", extra={"event": "limits_available"})


class RemoteWithFallback:
    """Counts with a remote *counter*, or does without it as configured."""

    def __init__(self, counter: RemoteCounter, alone: Counter, on_outage: str) -> None:
        """*on_outage* is "local", where *alone* counts instead, "open" or "closed"."""
        self._counter = counter
        self._alone = alone
        self._outage = Outage(on_outage)

    async def take_remotely(self, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Count *cost* for each of *meters* if all have room. Raises LimitsUnavailable only if "closed"."""
        try:
            outcome = await self._counter.take_remotely(meters, cost)
        except LimitsUnavailable as error:
            return self._outage.answer(error, self._alone, meters, cost)
        self._outage.end()
        return outcome

    async def disconnect(self) -> None:
        """Let go of what is open."""
        self._alone.close()
        await self._counter.disconnect()

    @property
    def problem(self) -> str | None:
        """What is wrong now, if anything is."""
        return self._outage.problem


class WithFallback:
    """Counts with *counter*, or does without it as configured."""

    def __init__(self, counter: Counter, alone: Counter, on_outage: str) -> None:
        """*on_outage* is "local", where *alone* counts instead, "open" or "closed"."""
        self._counter = counter
        self._alone = alone
        self._outage = Outage(on_outage)

    def take(self, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Count *cost* for each of *meters* if all have room. Raises LimitsUnavailable only if "closed"."""
        try:
            outcome = self._counter.take(meters, cost)
        except LimitsUnavailable as error:
            return self._outage.answer(error, self._alone, meters, cost)
        self._outage.end()
        return outcome

    def repeating(self, meters: tuple[Meter, ...], cost: int, watch: Watch | None = None) -> Repeating:
        """Return what counts with the counter itself: where it cannot, its caller comes here again."""
        return self._counter.repeating(meters, cost, watch)

    def look(self, meters: tuple[Meter, ...]) -> tuple[Standing, ...]:
        """Read without counting. Raises LimitsUnavailable."""
        return self._counter.look(meters)

    def close(self) -> None:
        """Let go of what is open."""
        self._counter.close()

    @property
    def problem(self) -> str | None:
        """What is wrong now, if anything is."""
        return self._outage.problem
