"""What becomes of somebody's memberships when an identity provider says in which groups they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.people.record import GivenBy, Membership

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from keyfob.policy.group_rules import GroupRule


def with_groups(
    memberships: Sequence[Membership], groups: Collection[str] | None, rules: Sequence[GroupRule]
) -> tuple[Membership, ...]:
    """Replace what groups gave before by what *groups* give now.

    In each team a role that somebody gave stands; otherwise the first of *rules* that fits counts. None, groups that
    the provider says nothing about, changes nothing.
    """
    if groups is None:
        return tuple(memberships)
    by_team = {one.team: one for one in memberships if one.by is not GivenBy.GROUP}
    for rule in rules:
        if rule.group in groups:
            by_team.setdefault(rule.team, Membership(rule.team, rule.role, GivenBy.GROUP))
    return tuple(sorted(by_team.values()))
