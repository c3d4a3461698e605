"""What people may do in a team: roles, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from keyfob.policy.permissions import covers, missing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Role:
    """What a person with this role holds.

    *grant_all* extends what the person may hand on by the whole catalogue, and not what the person holds. With
    *own_keys_only* the person sees and changes only the keys that it owns.
    """

    name: str
    label: str
    permissions: tuple[str, ...] = ()
    grant_all: bool = False
    own_keys_only: bool = False

    @property
    def acts_everywhere(self) -> bool:
        """Whether this role in one team is a role in every team."""
        return covers(self.permissions, "teams:write")

    def includes(self, other: Role) -> bool:
        """Whether whoever has this role can do and hand on at least what *other* can."""
        is_wide = "*" in self.permissions
        return (
            not missing(self.permissions, other.permissions)
            and (self.grant_all or is_wide or not other.grant_all)
            and (other.own_keys_only or not self.own_keys_only)
        )


DEFAULT_ROLES: Mapping[str, Role] = MappingProxyType(
    {
        OWNER: Role(OWNER, "Owner", ("*",)),
        "team_admin": Role(
            "team_admin", "Team admin", ("keys:*", "people:*", "teams:read", "audit:read"), grant_all=True
        ),
        "member": Role(
            "member", "Member", ("keys:read", "keys:write", "keys:delete"), grant_all=True, own_keys_only=True
        ),
        "auditor": Role("auditor", "Auditor", ("keys:read", "people:read", "teams:read", "audit:read")),
    }
)


def best_role(own: Role | None, others: Collection[Role]) -> Role | None:
    """The role that counts in a team: *own*, the one given there, unless one of *others* reaches it and includes *own*.

    *others* are the person's roles in other teams. Two roles are never added up: what one of them may do to some keys,
    the other may not do to all.
    """
    for other in others:
        if other.acts_everywhere and (own is None or other.includes(own)):
            return other
    return own
