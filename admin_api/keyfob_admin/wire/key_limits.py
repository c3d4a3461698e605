"""The limits of a key, as requests and responses show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from keyfob.keys.quota import MOST
from keyfob.management.key_limits import MOST_FACTOR, MOST_NAMES
from keyfob_admin.wire.fields import Count, Moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.management.key_standings import LimitStanding, QuotaStanding, QuotaStandings

LimitNames = Annotated[
    list[str],
    Meta(description="Names of `[limits.*]`; empty: those of the plan.", extra_json_schema={"maxItems": MOST_NAMES}),
]


class LimitsRaised(Struct, forbid_unknown_fields=True, frozen=True):
    """How long, and by which factor, a key may do more than its limits say."""

    until: Moment
    factor: Annotated[
        float,
        Meta(description="More than 1.", extra_json_schema={"exclusiveMinimum": 1, "maximum": MOST_FACTOR}),
    ]


class Limit(Struct, frozen=True):
    """One limit: `q` may pass in `w` seconds, `remaining` may pass now, and the window ends at `reset_at`."""

    name: Annotated[str, Meta(description="As `RateLimit` names it.")]
    q: Count
    w: Count
    remaining: Count
    reset_at: Moment


class KeyQuota(Struct, forbid_unknown_fields=True, frozen=True):
    """How much a key may use in each calendar day or month of UTC, in place of what its plan says."""

    amount: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MOST})]
    every: Literal["month", "day"]


class QuotaUse(Struct, frozen=True):
    """Where a quota stands: `used` of `amount` in the period that ends at `period_ends_at`."""

    amount: Count
    used: Annotated[Count, Meta(description="Reported by each worker once a second.")]
    period_ends_at: Moment


class AdjustQuota(Struct, forbid_unknown_fields=True, frozen=True):
    """More for the present period (less, where `add` is negative), or the amount of the present period: one of them."""

    add: UnsetType | int = UNSET
    set: UnsetType | int = UNSET


class KeyLimits(Struct, frozen=True):
    """Every limit that requests of the key are counted by: its own or its plan's, those of rules, and its team's."""

    limits: list[Limit]
    quota: QuotaUse | None
    team_quota: Annotated[QuotaUse | None, Meta(description="Shared by all keys of the team.")]


def shown_limits(standings: Iterable[LimitStanding], quotas: QuotaStandings) -> KeyLimits:
    """Show where limits and quotas stand."""
    limits = [Limit(one.name, one.amount, one.seconds, one.remaining, one.reset_at) for one in standings]
    return KeyLimits(limits, *(None if one is None else shown_quota(one) for one in quotas))


def shown_quota(standing: QuotaStanding) -> QuotaUse:
    """Show where one quota stands."""
    return QuotaUse(standing.amount, standing.used, standing.period.end)
