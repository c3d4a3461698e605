"""Key types and plans, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class KeyType:
    """One type of key, and what its keys must be. *permissions* is None where they are chosen."""

    name: str
    label: str
    per_team: int | None = None  # how many a team may hold beside those that were replaced; None: any number
    permissions: tuple[str, ...] | None = None
    expiry_required: bool = False
    default_lifetime: timedelta | None = None  # of a key for which no expiry is given
    max_lifetime: timedelta | None = None  # from its creation; a key that never expires lives longer than any
    ip_allow_required: bool = False
    ends_with_owner: bool = False  # keys are disabled when their owner leaves the team

    @property
    def is_fixed(self) -> bool:
        """Whether every key of this type holds the same permissions."""
        return self.permissions is not None


DEFAULT_KEY_TYPES: Mapping[str, KeyType] = MappingProxyType(
    {
        "api": KeyType("api", "Public API key"),
        "computer": KeyType("computer", "Team computer key", 1, ("computers:enroll",)),
        "scim": KeyType("scim", "SCIM key", 1, ("scim:provision",)),
        ADMIN: KeyType(ADMIN, "Admin key"),
    }
)
DEFAULT_PLANS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"enterprise": frozenset({"api", "computer", "scim"}), "teams": frozenset({"computer"})}
)
DEFAULT_PLAN = "enterprise"
