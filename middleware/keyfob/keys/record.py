"""Keys and teams as the store keeps them, and the properties that follow from them alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class State(StrEnum):
    """The state that is shown for a key. The first one that applies, in this order, wins."""

    DISABLED = "disabled"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Creator:
    """The creator of a key: an admin key, a command line user, or Keyfob itself."""

    kind: str  # "key", "cli" or "system"
    id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Team:
    """A group that holds keys; *plan* decides which types of key it may have."""

    id: str
    name: str
    plan: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key without its secret. *revision* is the one of the last change to the key or its team's plan."""

    id: str
    name: str
    key_type: str
    team: str
    plan: str  # the team's, at this revision
    permissions: tuple[str, ...]  # sorted, without repeats
    created_at: datetime
    created_by: Creator
    description: str | None = None
    ip_allow: tuple[str, ...] = ()
    duplicated_from: str | None = None
    expires_at: datetime | None = None
    disabled_at: datetime | None = None
    deleted_at: datetime | None = None
    revision: int = 0
    key_char: str = ""  # the character of the signing key that tagged it

    @property
    def is_disabled(self) -> bool:
        """Whether somebody disabled the key."""
        return self.disabled_at is not None

    @property
    def is_deleted(self) -> bool:
        """Whether only a tombstone remains."""
        return self.deleted_at is not None

    def is_expired(self, now: datetime) -> bool:
        """Whether the key expired at or before *now*."""
        return self.expires_at is not None and self.expires_at <= now

    def state(self, now: datetime, *, suspended: bool) -> State:
        """The state to show at *now*; *suspended* is whether its team's plan lacks its type."""
        if self.is_disabled:
            return State.DISABLED
        if suspended:
            return State.SUSPENDED
        return State.EXPIRED if self.is_expired(now) else State.ACTIVE


@dataclass(frozen=True, slots=True)
class LastUse:
    """When and from where a key was last accepted. The address is None where the server did not know it."""

    at: datetime
    ip: str | None
