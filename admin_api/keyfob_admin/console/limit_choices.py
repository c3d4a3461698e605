"""The limits that a key can have of its own, in the form that makes or changes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.policy.limits import PlanLimits
from keyfob_admin.console import humanize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from keyfob.keys.record import RaisedLimits
    from keyfob.policy.catalogue import KeyType
    from keyfob.policy.limits import Limit
    from keyfob_admin.console.page_request import PageRequest

KEEP: Final = "keep"
RAISES: Final = ("2", "5", "10")  # times as much
RAISED_FOR: Final = timedelta(hours=24)
_UNITS: Final[Mapping[str, str]] = {"s": "second", "min": "minute", "h": "hour", "day": "day"}


@dataclass(frozen=True, slots=True)
class LimitChoices:
    """What can be ticked, by name, what holds without a tick, and for how long limits can be raised."""

    rates: Mapping[str, str]
    without: str
    raises: Mapping[str, str]


def limit_choices(
    page_request: PageRequest, key_type: KeyType, raised: RaisedLimits | None, *, is_new: bool
) -> LimitChoices | None:
    """Offer the limits of the configuration to whoever may set them. Only whoever holds ``*`` may raise them."""
    catalogue = page_request.runtime.catalogue
    if not catalogue.limits or page_request.lacks("limits:write"):
        return None
    usual = catalogue.limits_of(page_request.team.plan, key_type.name) or PlanLimits()
    without = f"those of the plan apply: {humanize.listed(usual.each)}" if usual.each else "only the team's apply"
    raises = {"": "Not raised"}
    if raised is not None and raised.until > page_request.now:
        raises[KEEP] = f"{raised.factor:g} times as much, until {humanize.moment(raised.until)}"
    if "*" in page_request.actor.permissions:
        raises |= {times: f"{times} times as much, for 24 hours" for times in RAISES}
    rates = {name: _rates(limit) for name, limit in catalogue.limits.items()}
    return LimitChoices(rates, without, raises if len(raises) > 1 and not is_new else {})


def raise_meant(chosen: str, now: datetime) -> dict[str, object]:
    """Give the member of a merge patch for what was chosen of the raises; nothing where it stays."""
    if chosen == KEEP:
        return {}
    if chosen not in RAISES:
        return {"limits_raised": None}
    return {"limits_raised": {"until": now + RAISED_FOR, "factor": float(chosen)}}


def limits_meant(chosen: Sequence[str], before: Sequence[str], known: Mapping[str, Limit]) -> dict[str, object]:
    """Give the member of a merge patch for *chosen*; nothing where it stays, whatever the configuration has lost."""
    if set(chosen) == {name for name in before if name in known}:
        return {}
    return {"limits": list(chosen)}


def _rates(limit: Limit) -> str:
    return ", ".join(f"{rate.amount:,} a{'n' if rate.unit == 'h' else ''} {_UNITS[rate.unit]}" for rate in limit.rates)
