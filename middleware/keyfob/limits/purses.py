"""Which quotas a request is counted by: that of its key, and that of its team."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.keys.quota import Every, Quota
    from keyfob.limits.meters import KeyLimits


class Purse(NamedTuple):
    """The quota of one key or team: what is counted, under which name, and how much may pass in a period."""

    subject: str  # "key/ID" or "team/ID"
    name: str  # as clients see it: "quota-month", "quota-month-team"
    amount: int
    every: Every


class PurseStanding(NamedTuple):
    """Where a quota stands, as far as this process knows."""

    name: str
    amount: int
    seconds: int  # the length of the period
    remaining: int  # what may pass now
    seconds_to_end: int  # whole seconds to the end of the period, never too few


class Taken(Protocol):
    """What a purse was taken from."""

    def give_back(self, cost: int) -> None:
        """Undo it."""
        ...


class QuotaOutcome(NamedTuple):
    """Whether all purses had room for a request, and where they stand, with the request counted if they had."""

    has_room: bool
    standings: tuple[PurseStanding, ...]
    taken_from: tuple[Taken, ...] = ()


def quota_now(own: KeyLimits, now: float) -> Quota | None:
    """The quota of a key at *now*, with what was added to it for the present period."""
    if own.quota is None or own.extra is None or now >= own.extra[1]:
        return own.quota
    return own.quota._replace(amount=max(0, own.quota.amount + own.extra[0]))


def purses_of(counted_as: str, team: str, quota: Quota | None, of_team: Quota | None) -> tuple[Purse, ...]:
    """List the purses, that of the key first.

    Args:
        counted_as: the id under which the key is counted; a rotated key keeps that of the one it replaced.
        team: the key's team.
        quota: the quota of the key.
        of_team: the quota that all keys of the team share.
    """
    key = () if quota is None else (Purse(f"key/{counted_as}", f"quota-{quota.every}", *quota),)
    shared = () if of_team is None else (Purse(f"team/{team}", f"quota-{of_team.every}-team", *of_team),)
    return (*key, *shared)


def wait_for(standings: Iterable[PurseStanding], cost: int) -> int:
    """Whole seconds after which *cost* fits into all of *standings*: to the end of those that have no room for it.

    Where what others hold was in the way, there is room by all that is known here; then it is the end of all.
    """
    known = tuple(standings)
    full = [one for one in known if one.remaining < cost]
    return max((one.seconds_to_end for one in full or known), default=1)
