"""Key types and plans, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class KeyType:
    """One type of key. *per_team* is 1, or None for many; *permissions* is None if they are chosen per key."""

    name: str
    label: str
    per_team: int | None = None
    permissions: tuple[str, ...] | None = None

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
