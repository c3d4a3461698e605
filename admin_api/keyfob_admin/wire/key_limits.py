"""The limits of a key, as requests and responses show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from keyfob.management.key_limits import MOST_FACTOR, MOST_NAMES
from keyfob_admin.wire.fields import Count, Moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.management.key_standings import LimitStanding

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


class KeyLimits(Struct, frozen=True):
    """Every limit that requests of the key are counted by: its own or its plan's, those of rules, and its team's."""

    limits: list[Limit]


def shown_limits(standings: Iterable[LimitStanding]) -> KeyLimits:
    """Show where limits stand."""
    return KeyLimits([Limit(one.name, one.amount, one.seconds, one.remaining, one.reset_at) for one in standings])
