"""Which quotas are used up, which can never be, and what killed workers have taken with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from keyfob.management.key_quotas import counted_quotas, exceeded_team_quota, is_beyond
from keyfob.management.keys import KeySearch
from keyfob.management.pagination import LARGEST_PAGE
from keyfob_admin.cli.doctor.findings import OK, WARN, Finding
from keyfob_admin.cli.output import moment
from keyfob_admin.cli.times import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from keyfob.keys.quota import Quota
    from keyfob.management.key_quotas import CountedQuota
    from keyfob.store.contract.quotas import CountedPeriod, QuotaUse
    from keyfob_admin.cli.context import CliContext

QUIET: Final = 60  # seconds; a worker says every second what it used, and gives back what it holds idle after five
_FEW: Final = 5  # findings of one kind


class Owned(NamedTuple):
    """A quota that is counted, whose it is, and how to give more of it."""

    owner: str
    quota: CountedQuota
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
    used = sum(one.quota.counted in uses for one in owned)
    yield Finding(OK, "quotas", f"{len(owned):,} of keys and teams, {used:,} of them used in the present period")


def _plans(context: CliContext) -> Iterator[Finding]:
    """Find plans that give each key more than all keys of the team together."""
    for name, plan in context.runtime.catalogue.plan_limits.items():
        if plan.quota is not None and plan.team_quota is not None and is_beyond(plan.quota, plan.team_quota):
            detail = f"[plans.{name}] gives each key {_named(plan.quota)}, and all of a team {_named(plan.team_quota)}"
            yield Finding(WARN, "quotas", detail, "raise team_quota, or lower quota")


async def _owned(context: CliContext) -> tuple[list[Owned], list[Finding]]:
    """List every quota that can be counted now, and keys whose own is more than their team's."""
    catalogue, at = context.runtime.catalogue, now().timestamp()
    found: dict[CountedPeriod, Owned] = {}
    narrow = []
    for view in await context.all_keys(KeySearch(page_size=LARGEST_PAGE, state="active")):
        record = view.record
        for quota in counted_quotas(catalogue, record, at):
            owner = f"team {record.team}" if quota.is_of_team else context.display(record)
            add = f"`keyfob keys limits {record.id} --add-quota N` gives it more until then"
            fix = f"a larger team_quota in [plans.{record.plan}] gives it more" if quota.is_of_team else add
            found[quota.counted] = Owned(owner, quota, fix)
        of_team = exceeded_team_quota(catalogue, record)
        if record.quota is not None and of_team is not None:
            detail = f"{context.display(record)} has {_named(record.quota)}, its team {_named(of_team)} in all"
            fix = f"`keyfob keys limits {record.id} --quota {of_team.amount}/{of_team.every}`"
            narrow.append(Finding(WARN, "quotas", detail, fix))
    return list(found.values()), narrow


def _spent(owned: Iterable[Owned], uses: Mapping[CountedPeriod, QuotaUse]) -> Iterator[Finding]:
    for one in owned:
        use, quota = uses.get(one.quota.counted), one.quota
        if quota.amount <= (0 if use is None else use.used):
            detail = f"{one.owner} has used up {quota.name} ({quota.amount:,}), and is refused until {_end(one)}"
            yield Finding(WARN, "quotas", detail, one.fix)


def _lost(owned: Iterable[Owned], uses: Mapping[CountedPeriod, QuotaUse]) -> Iterator[Finding]:
    """Find what workers hold that do not say anything any more: those that run give back what they do not use."""
    for one in owned:
        use, quota = uses.get(one.quota.counted), one.quota
        if use is not None and use.leased:
            held = f"{use.leased:,} of {quota.name} ({quota.amount:,}) are held by workers that are gone"
            fix = f"nothing, if they were killed: it is lost until {_end(one)}, at most 1 % for each; {one.fix}"
            yield Finding(WARN, "quotas", f"{one.owner}: {held}", fix)


def _shortened(found: list[Finding], what: str) -> Iterator[Finding]:
    yield from found[:_FEW]
    if found[_FEW:]:
        detail = f"{len(found) - _FEW:,} more {what}"
        yield Finding(WARN, "quotas", detail, "`keyfob keys limits ID` shows where one stands")


def _named(quota: Quota) -> str:
    return f"{quota.amount:,} a {quota.every}"


def _end(one: Owned) -> str:
    return moment(one.quota.period.end)
