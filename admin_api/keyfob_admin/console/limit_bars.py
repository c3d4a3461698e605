"""Where the limits of a key stand, for the bars on its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyfob.errors import StoreUnavailable
from keyfob_admin.console import humanize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.management.key_standings import LimitStanding, QuotaStanding
    from keyfob_admin.console.page_request import PageRequest

_DAY: Final = 86_400
_WINDOWS: Final[Mapping[int, str]] = {1: "this second", 60: "this minute", 3_600: "this hour", 86_400: "today"}


@dataclass(frozen=True, slots=True)
class LimitBar:
    """One limit: how much is left, and how many hundredths are used."""

    name: str
    window: str
    amount: int
    remaining: int
    used: int


async def limit_bars(page_request: PageRequest) -> list[LimitBar]:
    """Read the limits of the key of the page; none where nobody can say what was counted."""
    standings, team, key_id = page_request.runtime.standings, page_request.team.id, page_request.key_id
    try:
        found = await standings.of(team, key_id, actor=page_request.actor)
        quotas = await standings.quotas(team, key_id, actor=page_request.actor)
    except StoreUnavailable:
        return []
    return [bar_of(one) for one in found] + [bar_of_quota(one) for one in quotas if one is not None]


def bar_of(one: LimitStanding) -> LimitBar:
    """Draw *one*."""
    left = max(0, min(one.remaining, one.amount))
    used = 100 if not one.amount else round(100 * (one.amount - left) / one.amount)
    window = _WINDOWS.get(one.seconds, f"in {humanize.seconds(one.seconds)}")
    team = " for the team" if one.name.endswith("-team") else ""
    return LimitBar(one.name, window + team, one.amount, left, used)


def bar_of_quota(one: QuotaStanding) -> LimitBar:
    """Draw the quota *one*."""
    team = " for the team" if one.name.endswith("-team") else ""
    window = "of the quota this month" if one.period.ends - one.period.begins > _DAY else "of the quota today"
    used = 100 if not one.amount else min(100, round(100 * one.used / one.amount))
    return LimitBar(one.name, window + team, one.amount, max(0, one.amount - one.used), used)
