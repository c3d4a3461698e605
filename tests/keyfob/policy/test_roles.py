"""Roles: the defaults, what the configuration makes of them, and which one counts."""

from __future__ import annotations

import pytest

from keyfob.errors import ConfigError
from keyfob.policy.catalogue import build_catalogue
from keyfob.policy.roles import DEFAULT_ROLES, Role, best_role
from keyfob.policy.roles_config import build_roles

CATALOGUE = build_catalogue(permissions={"items:read": "Read items", "items:write": "Change items"})
OWNER, ADMIN, MEMBER = DEFAULT_ROLES["owner"], DEFAULT_ROLES["team_admin"], DEFAULT_ROLES["member"]


def test_an_entry_changes_only_what_it_names() -> None:
    """Roles are merged by name: a default keeps the fields that the file leaves out."""
    roles = build_roles({"member": {"own_keys_only": False}, "reader": {"permissions": ["keys:read"]}}, CATALOGUE)

    assert (MEMBER.permissions, False, True) == (
        roles["member"].permissions,
        roles["member"].own_keys_only,
        roles["member"].grant_all,
    )
    assert Role("reader", "reader", ("keys:read",)) == roles["reader"]
    assert OWNER == roles["owner"]


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({"member": {"permission": ["keys:read"]}}, "did you mean permissions"),
        ({"member": {"permissions": ["keys:raed"]}}, "did you mean keys:read"),
        ({"member": {"permissions": "keys:read"}}, "must be a list"),
        ({"member": {"grant_all": "yes"}}, "true or false"),
        ({"Ops Team": {}}, "not a name for a role"),
        ({"owner": {"permissions": ["keys:read"]}}, "an owner may do everything"),
        ({"lone-lister": {"permissions": ["teams:write"], "own_keys_only": True}}, "choose one"),
        ({"member": {"label": ""}}, "must be a label"),
        ({"member": "all"}, "must be a table"),
        ("member", "must be a table"),
    ],
)
def test_a_wrong_role_is_named(raw: object, named: str) -> None:
    """A mistake in `[roles]` stops the start, with the entry and what to write instead."""
    with pytest.raises(ConfigError, match=named):
        build_roles(raw, CATALOGUE)


def test_a_role_elsewhere_counts_only_where_it_includes_the_own_one() -> None:
    """An owner stays one in every team; two roles are never added up."""
    everywhere_but_less = Role("lister", "Lister", ("teams:write", "keys:read"))

    assert OWNER == best_role(MEMBER, [OWNER])
    assert MEMBER == best_role(MEMBER, [everywhere_but_less])
    assert everywhere_but_less == best_role(None, [everywhere_but_less])
    assert None is best_role(None, [ADMIN])


def test_a_role_includes_another_by_all_that_it_can_do() -> None:
    """Permissions, what may be handed on, and how many keys are in reach all count."""
    assert OWNER.includes(ADMIN)
    assert ADMIN.includes(MEMBER)
    assert not MEMBER.includes(ADMIN)
    assert not Role("a", "a", ADMIN.permissions).includes(ADMIN)
    assert not Role("a", "a", ADMIN.permissions, own_keys_only=True).includes(Role("b", "b", ("keys:read",)))
