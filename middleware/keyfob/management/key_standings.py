"""Where the limits of a key stand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from keyfob.errors import LimitsUnavailable, StoreUnavailable
from keyfob.limits.meters import KeyLimits, limits_of, meters_of
from keyfob.limits.windows import NS, RemoteCounter

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.limits.outage import RemoteWithFallback, WithFallback
    from keyfob.management.actor import Actor
    from keyfob.management.key_listing import KeyListing
    from keyfob.policy.catalogue import Catalogue


class LimitStanding(NamedTuple):
    """Where one limit of a key or its team stands."""

    name: str  # as clients see it
    amount: int
    seconds: int  # the length of a window
    remaining: int
    reset_at: datetime  # the end of the window


class KeyStandings:
    """Reads where the limits of keys stand."""

    def __init__(
        self,
        listing: KeyListing,
        catalogue: Catalogue,
        counter: WithFallback | RemoteWithFallback | None,
        of_rules: tuple[str, ...],
        now: Callable[[], datetime],
    ) -> None:
        """*counter* counts the requests; None where there are no limits. *of_rules* are what rules name."""
        self._listing = listing
        self._catalogue = catalogue
        self._counter = counter
        self._of_rules = of_rules
        self._now = now

    async def of(self, team_id: str, key_id: str, *, actor: Actor) -> list[LimitStanding]:
        """List the limits of a key, of the rules and of its team; needs ``keys:read``.

        Raises Forbidden, NotFound, and StoreUnavailable where nobody can say what was counted.
        """
        record = (await self._listing.one(team_id, key_id, actor=actor, needed="keys:read")).record
        if self._counter is None:
            return []
        own = limits_of(self._catalogue, record) or KeyLimits()
        meters = meters_of(
            self._catalogue.limits,
            counted_as=record.limits_id or record.id,
            team=record.team,
            own=own,
            of_rule=self._of_rules,
            factor=own.factor(self._now().timestamp()),
        )
        try:
            if isinstance(self._counter, RemoteCounter):
                standings = (await self._counter.take_remotely(meters, 0)).standings
            else:
                standings = self._counter.look(meters)
        except LimitsUnavailable as error:
            raise StoreUnavailable(str(error)) from error
        return [
            LimitStanding(
                one.meter.name, one.meter.amount, one.meter.seconds, one.remaining, _end(one.now, one.meter.seconds)
            )
            for one in standings
        ]


def _end(now: int, seconds: int) -> datetime:
    length = seconds * NS
    return datetime.fromtimestamp((now // length + 1) * seconds, UTC)
