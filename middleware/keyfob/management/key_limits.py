"""The limits of a key: what they may be, and who may raise them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from keyfob.errors import ExceedsOwnLimits, Invalid
from keyfob.errors.suggestions import did_you_mean
from keyfob.keys.record import RaisedLimits
from keyfob.limits.meters import KeyLimits, limits_of
from keyfob.management.key_quotas import lets_more_pass, quota_of
from keyfob.policy.permissions import covers

if TYPE_CHECKING:
    from keyfob.keys.quota import Quota
    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.policy.catalogue import Catalogue
    from keyfob.policy.limits import Limit, PlanLimits

MOST_NAMES: Final = 16
MOST_FACTOR: Final = 1_000.0
_NEEDED: Final = "limits:write"
_FIELDS: Final = frozenset({"limits", "limits_raised", "quota"})


class NewLimits(Protocol):
    """What a new key is to have of its own."""

    @property
    def limits(self) -> tuple[str, ...]:
        """Names of limits; none: its plan's."""
        ...

    @property
    def quota(self) -> Quota | None:
        """None: its plan's."""
        ...


def needed_for(patch: Mapping[str, object]) -> str:
    """The permission without which nobody may apply *patch*."""
    return _NEEDED if patch and patch.keys() <= _FIELDS else "keys:write"


def clean_limits(value: object, *, pointer: str = "/limits") -> tuple[str, ...]:
    """Give *value* as names of limits, each once; None and an empty list stand for the plan's."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise Invalid((pointer, "Limits must be a list of their names"))
    if len(value) > MOST_NAMES:
        raise Invalid((pointer, f"A key can have at most {MOST_NAMES} limits"))
    return tuple(dict.fromkeys(value))


def clean_raise(value: object, now: datetime, *, pointer: str = "/limits_raised") -> RaisedLimits | None:
    """Give *value*, an object of ``until`` and ``factor``, as how far limits are raised; None: not at all."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or value.keys() != {"until", "factor"}:
        raise Invalid((pointer, "This must be an object with until and factor"))
    until, factor = value["until"], value["factor"]
    if not isinstance(until, datetime) or until.utcoffset() is None or until <= now:
        raise Invalid((f"{pointer}/until", "This must be a date and time in the future, with its offset"))
    if not isinstance(factor, int | float) or isinstance(factor, bool) or not math.isfinite(factor):
        raise Invalid((f"{pointer}/factor", "This must be a number"))
    if not 1 < factor <= MOST_FACTOR:
        raise Invalid((f"{pointer}/factor", f"This must be more than 1, and at most {MOST_FACTOR:,g}"))
    return RaisedLimits(until.astimezone(UTC), float(factor))


def known_limits(names: tuple[str, ...], catalogue: Catalogue) -> tuple[str, ...]:
    """Give *names* back. Raises Invalid unless the configuration has all of them."""
    errors = [
        (f"/limits/{at}", f"There is no limit called {name[:40]}{did_you_mean(name, catalogue.limits)}")
        for at, name in enumerate(names)
        if name not in catalogue.limits
    ]
    if errors:
        raise Invalid(*errors)
    return names


def check_new_limits(actor: Actor, plan: PlanLimits, draft: NewLimits, catalogue: Catalogue) -> None:
    """Refuse to give a new key limits and the quota of *draft*, where it would have those of its *plan* by itself.

    Raises:
        ExceedsOwnLimits: they let more pass, and *actor* does not hold ``*``.
    """
    is_raised = lets_more_pass(plan.quota, draft.quota or plan.quota)
    if is_raised or _lets_more_pass(plan.each, draft.limits or plan.each, catalogue.limits):
        _demand_everything(actor)


def check_limit_change(
    actor: Actor, before: KeyRecord, after: KeyRecord, catalogue: Catalogue, *, at: datetime
) -> None:
    """Refuse a change of limits or of the quota that *actor* may not make *at* this time.

    Raises:
        Forbidden: *actor* does not hold ``limits:write``.
        ExceedsOwnLimits: it lets more pass, and *actor* does not hold ``*``.
    """
    if _own(before) == _own(after):
        return
    actor.demand(_NEEDED)
    names = [(limits_of(catalogue, record) or KeyLimits()).each for record in (before, after)]
    old, new = before.limits_raised, after.limits_raised
    raises = new is not None and (old is None or new.until > old.until or new.factor > old.factor)
    quotas = [quota_of(catalogue, record, at) for record in (before, after)]
    if raises or lets_more_pass(*quotas) or _lets_more_pass(names[0], names[1], catalogue.limits):
        _demand_everything(actor)


def _own(record: KeyRecord) -> tuple[object, ...]:
    return record.limits, record.limits_raised, record.quota, record.quota_extra


def _demand_everything(actor: Actor) -> None:
    if not covers(actor.permissions, "*"):
        raise ExceedsOwnLimits("only whoever holds * may raise limits; you may lower them")


def _lets_more_pass(before: tuple[str, ...], after: tuple[str, ...], limits: Mapping[str, Limit]) -> bool:
    """Whether some rate of *before* is looser in *after*, or gone."""
    old, new = (_least(names, limits) for names in (before, after))
    return any(unit not in new or new[unit] > amount for unit, amount in old.items())


def _least(names: tuple[str, ...], limits: Mapping[str, Limit]) -> dict[str, int]:
    least: dict[str, int] = {}
    for name in names:
        for rate in limits[name].rates:
            least[rate.unit] = min(rate.amount, least.get(rate.unit, rate.amount))
    return least
