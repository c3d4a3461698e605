"""Which meters a request is counted by: the limits of its key, of its rule and of its team, each rate by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keyfob.limits.windows import Meter, subject_of
from keyfob.policy.limits import PlanLimits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keyfob.keys.quota import Quota
    from keyfob.keys.record import KeyRecord
    from keyfob.policy.catalogue import Catalogue
    from keyfob.policy.limits import Limit

NO_RULE: tuple[str, ...] = ()


class KeyLimits(NamedTuple):
    """The limits that a key has whatever it asks for, by name."""

    each: tuple[str, ...] = ()  # counted for this key
    team: tuple[str, ...] = ()  # counted for its whole team
    raised: tuple[float, float] | None = None  # until when, in seconds since the epoch, and by which factor
    quota: Quota | None = None  # for this key
    team_quota: Quota | None = None  # for its whole team
    extra: tuple[int, float] | None = None  # what was added to its quota, and until when, in seconds since the epoch

    def factor(self, now: float) -> float:
        """By how much the amounts are raised at *now*."""
        return self.raised[1] if self.raised is not None and now < self.raised[0] else 1.0


def limits_of(catalogue: Catalogue, record: KeyRecord) -> KeyLimits | None:
    """The limits of a key: its own in place of those that its plan sets for each key; None where it has none.

    A limit of its own that the configuration no longer has is left out; if nothing is left, the plan's apply.
    """
    plan = catalogue.limits_of(record.plan, record.key_type) or PlanLimits()
    own = tuple(name for name in record.limits if name in catalogue.limits)
    raised = record.limits_raised
    until = None if raised is None else (raised.until.timestamp(), raised.factor)
    added = record.quota_extra
    extra = None if added is None else (added.amount, added.until.timestamp())
    found = KeyLimits(own or plan.each, plan.team, until, record.quota or plan.quota, plan.team_quota, extra)
    return found if any(found) else None


def meters_of(
    limits: Mapping[str, Limit],
    *,
    counted_as: str,
    team: str,
    own: KeyLimits,
    of_rule: tuple[str, ...] = NO_RULE,
    factor: float = 1.0,
) -> tuple[Meter, ...]:
    """List the meters, those of the key first.

    Args:
        limits: every limit by its name.
        counted_as: the id under which the key is counted; a rotated key keeps that of the one it replaced.
        team: the key's team.
        own: the limits of the key.
        of_rule: names of the rule's limits; one that the key has itself is counted once.
        factor: by how much the amounts for the key are raised. Those for the team are not.
    """
    return (
        *_meters(limits, "key", counted_as, tuple(dict.fromkeys((*own.each, *of_rule))), factor),
        *_meters(limits, "team", team, own.team, 1.0),
    )


def _meters(limits: Mapping[str, Limit], kind: str, of: str, names: tuple[str, ...], factor: float) -> Iterator[Meter]:
    ending = "-team" if kind == "team" else ""
    for name in names:
        for rate in limits[name].rates:
            title = f"{name}-{rate.unit}"
            yield Meter(subject_of(kind, of, title), title + ending, int(rate.amount * factor), rate.seconds)
