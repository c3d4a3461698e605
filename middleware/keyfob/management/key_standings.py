"""Where the limits and quotas of a key stand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from keyfob.errors import LimitsUnavailable, StoreUnavailable
from keyfob.limits.meters import KeyLimits, limits_of, meters_of
from keyfob.limits.windows import NS, RemoteCounter
from keyfob.management.key_quotas import counted_quotas

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.keys.quota import Period
    from keyfob.keys.record import KeyRecord
    from keyfob.limits.outage import RemoteWithFallback, WithFallback
    from keyfob.limits.windows import Standing
    from keyfob.management.actor import Actor
    from keyfob.management.key_listing import KeyListing
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.quotas import QuotaTable


class LimitStanding(NamedTuple):
    """Where one limit of a key or its team stands."""

    name: str  # as clients see it
    amount: int
    seconds: int  # the length of a window
    remaining: int
    reset_at: datetime  # the end of the window


class QuotaStanding(NamedTuple):
    """Where the quota of a key or its team stands."""

    name: str  # as clients see it
    amount: int
    used: int
    period: Period


class QuotaStandings(NamedTuple):
    """Where both stand; None: there is none."""

    key: QuotaStanding | None
    team: QuotaStanding | None


class Full(NamedTuple):
    """A limit or quota of a key or its team that has no room for a request."""

    name: str  # as clients see it
    amount: int
    seconds: int | None  # the length of a window; None: it is a quota
    opens_at: datetime | None  # when there is room if nothing else passes; None: never for so much


class KeyStandings:
    """Reads where the limits and quotas of keys stand."""

    def __init__(
        self,
        listing: KeyListing,
        catalogue: Catalogue,
        counter: WithFallback | RemoteWithFallback | None,
        quotas: QuotaTable,
        *,
        of_rules: tuple[str, ...],
        now: Callable[[], datetime],
    ) -> None:
        """*counter* counts the requests; None where there are no limits. *of_rules* are what rules name."""
        self._listing = listing
        self._catalogue = catalogue
        self._counter = counter
        self._quotas = quotas
        self._of_rules = of_rules
        self._now = now

    async def of(self, team_id: str, key_id: str, *, actor: Actor) -> list[LimitStanding]:
        """List the limits of a key, of the rules and of its team; needs ``keys:read``.

        Raises Forbidden, NotFound, and StoreUnavailable where nobody can say what was counted.
        """
        record = (await self._listing.one(team_id, key_id, actor=actor, needed="keys:read")).record
        try:
            standings = await self._standings(record, self._of_rules)
        except LimitsUnavailable as error:
            raise StoreUnavailable(str(error)) from error
        return [
            LimitStanding(
                one.meter.name, one.meter.amount, one.meter.seconds, one.remaining, _end(one.now, one.meter.seconds)
            )
            for one in standings
        ]

    async def full(self, record: KeyRecord, of_rule: tuple[str, ...], cost: int) -> list[Full]:
        """List what has no room for a request of *cost* under a rule with the limits *of_rule*, quotas first.

        What workers hold of a quota counts as used. Raises LimitsUnavailable where nobody can say it.
        """
        found = []
        for one in counted_quotas(self._catalogue, record, self._now().timestamp()):
            try:
                use = await self._quotas.use(one.counted)
            except StoreUnavailable as error:
                raise LimitsUnavailable(str(error)) from error
            if one.amount - use.used - use.leased < cost:
                found.append(Full(one.name, one.amount, None, one.period.end if cost <= one.amount else None))
        for standing in await self._standings(record, of_rule):
            if not standing.has_room_for(cost):
                opens_at = datetime.fromtimestamp(standing.now // NS + standing.wait_for(cost), UTC)
                _, name, amount, seconds = standing.meter
                found.append(Full(name, amount, seconds, opens_at if cost <= amount else None))
        return found

    async def _standings(self, record: KeyRecord, of_rules: tuple[str, ...]) -> tuple[Standing, ...]:
        """Read without counting. Raises LimitsUnavailable."""
        if self._counter is None:
            return ()
        own = limits_of(self._catalogue, record) or KeyLimits()
        meters = meters_of(
            self._catalogue.limits,
            counted_as=record.limits_id or record.id,
            team=record.team,
            own=own,
            of_rule=of_rules,
            factor=own.factor(self._now().timestamp()),
        )
        if isinstance(self._counter, RemoteCounter):
            return (await self._counter.take_remotely(meters, 0)).standings
        return self._counter.look(meters)

    async def quotas(self, team_id: str, key_id: str, *, actor: Actor) -> QuotaStandings:
        """Say what is used of the quota of a key and of its team; needs ``keys:read``.

        Raises Forbidden, NotFound, and StoreUnavailable.
        """
        record = (await self._listing.one(team_id, key_id, actor=actor, needed="keys:read")).record
        return QuotaStandings(await self.quota_of(record), await self._standing(record, is_of_team=True))

    async def quota_of(self, record: KeyRecord) -> QuotaStanding | None:
        """Say what is used of the quota of one key. Raises StoreUnavailable."""
        return await self._standing(record, is_of_team=False)

    async def _standing(self, record: KeyRecord, *, is_of_team: bool) -> QuotaStanding | None:
        for one in counted_quotas(self._catalogue, record, self._now().timestamp()):
            if one.is_of_team is is_of_team:
                return QuotaStanding(one.name, one.amount, await self._quotas.used(one.counted), one.period)
        return None


def _end(now: int, seconds: int) -> datetime:
    length = seconds * NS
    return datetime.fromtimestamp((now // length + 1) * seconds, UTC)
