"""What a key did, for its page: from where it was used, why it was refused, and which of its permissions it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyfob.policy.permissions import covers
from keyfob.runtime.configured import rules_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from keyfob.management.key_usage import UsageRow
    from keyfob_admin.console.page_request import PageRequest
    from keyfob_admin.console.permission_choices import Group

LONG_ENOUGH: Final = 30  # days without use, after which a permission may be superfluous
SHOWN: Final = 8  # rows of a table; the rest are counted
REASONS: Final[Mapping[str, str]] = {
    "no_rule": "No rule for the path",
    "wrong_type": "Wrong type of key",
    "wrong_team": "Another team's data",
    "wrong_address": "Address not allowed",
    "permission": "Permission missing",
    "disabled": "Key disabled",
    "expired": "Key expired",
    "suspended": "Team suspended",
    "limited": "Too many requests",
    "quota_exceeded": "Quota used up",
}


@dataclass(frozen=True, slots=True)
class PermissionUse:
    """How often requests needed one permission, and when last."""

    requests: int = 0
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyUse:
    """The tables of one key's page. *permissions* is None where no rules are known that would tell."""

    addresses: Sequence[UsageRow]
    more_addresses: int
    reasons: Sequence[tuple[str, UsageRow]]
    permissions: Mapping[str, PermissionUse | None] | None
    permission_days: int  # how far back *permissions* go

    def refused_since(self, reason: str, moment: datetime) -> UsageRow | None:
        """The requests refused for *reason*, if the first of them came after *moment*."""
        for _, row in self.reasons:
            if row.label == reason and row.first >= moment:
                return row
        return None


async def use_of(page_request: PageRequest, key_type: str, days: int, groups: Sequence[Group]) -> KeyUse:
    """Read what the key of the page, of *key_type*, did in the last *days*; *groups* are its permissions.

    One day means the last 24 hours, of which some may be yesterday's. Whether a permission is needed is never judged by
    less than `LONG_ENOUGH`.
    """
    addresses = await _rows(page_request, "address", max(days, 2))
    reasons = await _rows(page_request, "reason", max(days, 2))
    rules = await _rows(page_request, "rule", max(days, LONG_ENOUGH))
    refused = [(REASONS.get(row.label, row.label), row) for row in reasons if row.label and row.denied + row.limited]
    held = [choice.name for group in groups for choice in group.choices if choice.ticked]
    known = _permissions_by_rule(page_request, key_type)
    permissions = {name: _used(name, known, rules) for name in held} if known else None
    return KeyUse(addresses[:SHOWN], max(0, len(addresses) - SHOWN), refused, permissions, max(days, LONG_ENOUGH))


async def _rows(page_request: PageRequest, by: str, days: int) -> Sequence[UsageRow]:
    usage = page_request.runtime.lifecycle.usage
    return await usage.rows(page_request.team.id, page_request.key_id, by, days, actor=page_request.actor)


def _permissions_by_rule(page_request: PageRequest, key_type: str) -> dict[str, tuple[str, ...]]:
    """What each rule of the configuration that takes such keys needs. An application's own keywords are not there."""
    runtime = page_request.runtime
    rules = rules_of(runtime.settings.rules, runtime.catalogue).rules
    return {rule.text: rule.needed for rule in rules if key_type in rule.key_types}


def _used(name: str, known: Mapping[str, tuple[str, ...]], rows: Sequence[UsageRow]) -> PermissionUse | None:
    """Add up the requests whose rules needed *name*; None if no rule names it, so that nothing can be said."""
    if not any(covers((name,), needed) for all_needed in known.values() for needed in all_needed):
        return None
    used = [
        row
        for row in rows
        if row.admitted
        and any(covers((name,), needed) for rule in row.label.split(" and ") for needed in known.get(rule, ()))
    ]
    return PermissionUse(sum(row.admitted for row in used), max((row.last for row in used), default=None))
