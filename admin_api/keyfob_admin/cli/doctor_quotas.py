"""Which quotas are used up, which can never be, and what killed workers have taken with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from keyfob.keys.quota import period_of
from keyfob.limits.meters import KeyLimits, limits_of
from keyfob.limits.purses import purses_of
from keyfob.management.key_quotas import lets_more_pass, quota_of
from keyfob.management.keys import KeySearch
from keyfob.management.pagination import LARGEST_PAGE
from keyfob.store.quotas import CountedPeriod
from keyfob_admin.cli.findings import OK, WARN, Finding
from keyfob_admin.cli.output import moment
from keyfob_admin.cli.times import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from keyfob.keys.quota import Quota
    from keyfob.limits.purses import Purse
    from keyfob.store.quotas import QuotaUse
    from keyfob_admin.cli.context import CliContext

QUIET: Final = 60  # seconds; a worker says every second what it used, and gives back what it holds idle after five
_FEW: Final = 5  # findings of one kind


class Owned(NamedTuple):
    """A quota that is counted, whose it is, and how to give more of it."""

    owner: str
    counted: CountedPeriod
    purse: Purse
    fix: str


async def quotas(context: CliContext) -> AsyncIterator[Finding]:
    """Look at the quotas of plans, keys and teams, and at what is used of them in the present periods."""
    for finding in _plans(context):
        yield finding
    owned, narrow = await _owned(context)
    if not owned:
        return
    for finding in _shortened(narrow, "keys have more than their team"):
        yield finding
    uses = {use.counted: use for use in await context.store.quotas.at(int(now().timestamp()))}
    for finding in _shortened(list(_spent(owned, uses)), "quotas are used up"):
        yield finding
    settled = await context.store.quotas.last_settlement() or 0
    if now().timestamp() - settled >= QUIET:
        for finding in _shortened(list(_lost(owned, uses)), "quotas have a part that nobody uses"):
            yield finding
    used = sum(one.counted in uses for one in owned)
    yield Finding(OK, "quotas", f"{len(owned):,} of keys and teams, {used:,} of them used in the present period")


def _plans(context: CliContext) -> Iterator[Finding]:
    """Find plans that give each key more than all keys of the team together."""
    for name, plan in context.runtime.catalogue.plan_limits.items():
        if plan.quota is not None and plan.team_quota is not None and _is_beyond(plan.quota, plan.team_quota):
            detail = f"[plans.{name}] gives each key {_named(plan.quota)}, and all of a team {_named(plan.team_quota)}"
            yield Finding(WARN, "quotas", detail, "raise team_quota, or lower quota")


async def _owned(context: CliContext) -> tuple[list[Owned], list[Finding]]:
    """List every quota that can be counted now, and keys whose own is more than their team's."""
    catalogue, at = context.runtime.catalogue, now()
    found: dict[CountedPeriod, Owned] = {}
    narrow = []
    for view in await context.all_keys(KeySearch(page_size=LARGEST_PAGE, state="active")):
        record = view.record
        own, quota = limits_of(catalogue, record) or KeyLimits(), quota_of(catalogue, record, at)
        for purse in purses_of(record.limits_id or record.id, record.team, quota, own.team_quota):
            is_team = purse.subject.startswith("team/")
            owner = f"team {record.team}" if is_team else context.display(record)
            add = f"`keyfob keys limits {record.id} --add-quota N` gives it more until then"
            fix = f"a larger team_quota in [plans.{record.plan}] gives it more" if is_team else add
            counted = CountedPeriod(purse.subject, *period_of(purse.every, at.timestamp()))
            found[counted] = Owned(owner, counted, purse, fix)
        if record.quota is not None and own.team_quota is not None and _is_beyond(record.quota, own.team_quota):
            detail = f"{context.display(record)} has {_named(record.quota)}, its team {_named(own.team_quota)} in all"
            fix = f"`keyfob keys limits {record.id} --quota {own.team_quota.amount}/{own.team_quota.every}`"
            narrow.append(Finding(WARN, "quotas", detail, fix))
    return list(found.values()), narrow


def _spent(owned: Iterable[Owned], uses: Mapping[CountedPeriod, QuotaUse]) -> Iterator[Finding]:
    for one in owned:
        use = uses.get(one.counted)
        if one.purse.amount <= (0 if use is None else use.used):
            detail = (
                f"{one.owner} has used up {one.purse.name} ({one.purse.amount:,}), and is refused until {_end(one)}"
            )
            yield Finding(WARN, "quotas", detail, one.fix)


def _lost(owned: Iterable[Owned], uses: Mapping[CountedPeriod, QuotaUse]) -> Iterator[Finding]:
    """Find what workers hold that do not say anything any more: those that run give back what they do not use."""
    for one in owned:
        use = uses.get(one.counted)
        if use is not None and use.leased:
            held = f"{use.leased:,} of {one.purse.name} ({one.purse.amount:,}) are held by workers that are gone"
            fix = f"nothing, if they were killed: it is lost until {_end(one)}, at most 1 % for each; {one.fix}"
            yield Finding(WARN, "quotas", f"{one.owner}: {held}", fix)


def _shortened(found: list[Finding], what: str) -> Iterator[Finding]:
    yield from found[:_FEW]
    if found[_FEW:]:
        detail = f"{len(found) - _FEW:,} more {what}"
        yield Finding(WARN, "quotas", detail, "`keyfob keys limits ID` shows where one stands")


def _is_beyond(quota: Quota, of_team: Quota) -> bool:
    return quota.every is of_team.every and lets_more_pass(of_team, quota)


def _named(quota: Quota) -> str:
    return f"{quota.amount:,} a {quota.every}"


def _end(one: Owned) -> str:
    return moment(period_of(one.purse.every, one.counted.begins).end)
