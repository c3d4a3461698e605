"""The quota of a key: what it may be, who may raise it, and more or less of it for the present period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from keyfob.errors import ConfigError, Invalid, NoQuota
from keyfob.keys.quota import MOST, Every, ExtraQuota, Quota, period_of
from keyfob.limits.meters import KeyLimits, limits_of
from keyfob.limits.purses import purses_of, quota_now
from keyfob.management.idempotency import Once, UnderWay
from keyfob.policy.quotas import read_quota
from keyfob.store.contract.quotas import CountedPeriod

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from keyfob.keys.quota import Period
    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.management.idempotency import IdempotencyKey
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.key_store import KeyView

    Change = Callable[..., Awaitable[KeyView]]

_NEEDED: Final = "limits:write"
_LONGEST_MONTH: Final = 31  # days


def clean_quota(value: object, *, pointer: str = "/quota") -> Quota | None:
    """Give *value*, an object of ``amount`` and ``every``, as a quota; None stands for the plan's."""
    if isinstance(value, Mapping) and value.keys() != {"amount", "every"}:
        raise Invalid((pointer, "This must be an object with amount and every"))
    try:
        return read_quota(value._asdict() if isinstance(value, Quota) else value, "Quota")
    except ConfigError as wrong:
        raise Invalid((pointer, str(wrong).partition(", for example")[0])) from None


def quota_of(catalogue: Catalogue, record: KeyRecord, at: datetime) -> Quota | None:
    """The quota of a key at this time, its own or its plan's, with what was added for the present period."""
    return quota_now(limits_of(catalogue, record) or KeyLimits(), at.timestamp())


class CountedQuota(NamedTuple):
    """A quota that the requests of a key count toward, and the period in which they are counted at present."""

    name: str  # as clients see it
    amount: int
    is_of_team: bool
    period: Period
    counted: CountedPeriod


def counted_quotas(catalogue: Catalogue, record: KeyRecord, at: float) -> list[CountedQuota]:
    """List the quota of a key and that of its team, at the time *at*, in seconds since the epoch. Either may lack."""
    own = limits_of(catalogue, record) or KeyLimits()
    found = []
    for purse in purses_of(record.limits_id or record.id, record.team, quota_now(own, at), own.team_quota):
        period = period_of(purse.every, at)
        counted = CountedPeriod(purse.subject, *period)
        found.append(CountedQuota(purse.name, purse.amount, purse.subject.startswith("team/"), period, counted))
    return found


def exceeded_team_quota(catalogue: Catalogue, record: KeyRecord) -> Quota | None:
    """The quota of the key's team, if the key's own lets more pass than that."""
    own = limits_of(catalogue, record) or KeyLimits()
    return own.team_quota if is_beyond(record.quota, own.team_quota) else None


def is_beyond(quota: Quota | None, of_team: Quota | None) -> bool:
    """Whether *quota* lets more pass than all keys of a team may use together, in a period of the same length."""
    if quota is None or of_team is None:
        return False
    return quota.every is of_team.every and lets_more_pass(of_team, quota)


def lets_more_pass(before: Quota | None, after: Quota | None) -> bool:
    """Whether more could pass in some day or month under *after* than under *before*; None stands for no bound."""
    if before is None or after is None:
        return before is not None
    if before.every is Every.MONTH and after.every is Every.DAY:
        return after.amount * _LONGEST_MONTH > before.amount
    return after.amount > before.amount


class AdjustedQuota(NamedTuple):
    """A key after its quota was adjusted, and whether that was done before under the same Idempotency-Key."""

    view: KeyView
    replayed: bool


class KeyQuotas:
    """Gives keys more or less for the present period."""

    def __init__(self, change: Change, catalogue: Catalogue) -> None:
        """*change* makes a key what a function says, as `KeyLifecycle` does it."""
        self._change = change
        self._catalogue = catalogue
        self._under_way = UnderWay()

    async def adjust(
        self,
        team_id: str,
        key_id: str,
        *,
        add: int | None = None,
        set_to: int | None = None,
        actor: Actor,
        idempotency: IdempotencyKey | None = None,
    ) -> AdjustedQuota:
        """Let the key use *add* more in the present period, or less, or *set_to* in all; needs ``limits:write``.

        It ends with the period. What was used stays.

        Raises:
            Invalid: not one of the two is given, or the amount would be out of range.
            NoQuota: neither the key nor its plan has one.
            ExceedsOwnLimits: it is more than before, and *actor* does not hold ``*``.
            IdempotencyMismatch, IdempotencyInProgress
        """
        if (add is None) is (set_to is None):
            raise Invalid(("", "Say either add or set"))

        def alter(before: KeyRecord, at: datetime) -> KeyRecord:
            quota = quota_of(self._catalogue, before, at)
            base = quota_of(self._catalogue, replace(before, quota_extra=None), at)
            if quota is None or base is None:
                raise NoQuota("neither the key nor its plan has a quota")
            amount = set_to if set_to is not None else quota.amount + (add or 0)
            if not 0 <= amount <= MOST:
                pointer = "/add" if set_to is None else "/set"
                raise Invalid((pointer, f"The amount would be {amount:,}; it must be from 0 to {MOST:,}"))
            extra = ExtraQuota(amount - base.amount, period_of(base.every, at.timestamp()).end)
            return replace(before, quota_extra=extra if extra.amount else None)

        once = Once(idempotency)
        with self._under_way.claim(idempotency):
            view = await self._change(team_id, key_id, alter, actor=actor, needed=_NEEDED, once=once)
        return AdjustedQuota(view, once.replayed)
