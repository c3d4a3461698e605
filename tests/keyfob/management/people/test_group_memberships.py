"""Groups become memberships."""

from __future__ import annotations

import pytest

from keyfob.management.people.group_memberships import with_groups
from keyfob.people.record import GivenBy, Membership
from keyfob.policy.group_rules import GroupRule

RULES = (
    GroupRule("acme-leads", "acme", "team_admin"),
    GroupRule("acme-dev", "acme", "member"),
    GroupRule("audit", "acme", "auditor"),
    GroupRule("audit", "beta", "auditor"),
)
GIVEN = Membership("acme", "auditor")


def by_group(team: str, role: str) -> Membership:
    return Membership(team, role, GivenBy.GROUP)


CASES = [
    ((), {"acme-dev"}, (by_group("acme", "member"),)),
    ((), {"audit", "acme-dev", "acme-leads"}, (by_group("acme", "team_admin"), by_group("beta", "auditor"))),
    ((), {"strangers"}, ()),
    ((GIVEN,), {"acme-leads"}, (GIVEN,)),
    ((GIVEN,), {"audit"}, (GIVEN, by_group("beta", "auditor"))),
    ((by_group("acme", "team_admin"),), {"acme-dev"}, (by_group("acme", "member"),)),
    ((by_group("acme", "member"), Membership("beta", "member")), set(), (Membership("beta", "member"),)),
    ((by_group("acme", "member"),), None, (by_group("acme", "member"),)),
    ((Membership("acme", "member", GivenBy.APP),), {"acme-leads"}, (Membership("acme", "member", GivenBy.APP),)),
]


@pytest.mark.parametrize(("before", "groups", "after"), CASES)
def test_groups_give_roles_where_nobody_has(
    before: tuple[Membership, ...], groups: set[str] | None, after: tuple[Membership, ...]
) -> None:
    """A role that somebody gave in a team stands, then the first entry that fits; a missing claim changes nothing."""
    assert after == with_groups(before, groups, RULES)
