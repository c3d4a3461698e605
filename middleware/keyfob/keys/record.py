"""Keys and teams as the store keeps them, and the properties that follow from them alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from keyfob.keys.quota import ExtraQuota, Quota

MetadataValue: TypeAlias = "str | int | float | bool"


class Metadata(dict[str, MetadataValue]):
    """Metadata for reading only. A dict, so that it can be copied, pickled, and written as JSON like any other."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("metadata is for reading only: change it with `keyfob keys`, the console or the admin API")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[Metadata], tuple[dict[str, MetadataValue]]]:
        """Make a copy at once, and not member by member."""
        return Metadata, (dict(self),)


NO_METADATA: Mapping[str, MetadataValue] = Metadata()


class State(StrEnum):
    """The state that is shown for a key. The first one that applies, in this order, wins."""

    DISABLED = "disabled"
    PENDING = "pending"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Creator:
    """The creator of a key: a person, an admin key, a command line user, or Keyfob itself."""

    kind: str  # "person", "key", "cli" or "system"
    id: str | None
    name: str
    email: str | None = None  # of a person, as of then


@dataclass(frozen=True, slots=True)
class Team:
    """A group that holds keys; *plan* decides which types of key it may have."""

    id: str
    name: str
    plan: str
    created_at: datetime
    metadata: Mapping[str, MetadataValue] = field(default_factory=lambda: NO_METADATA, hash=False)
    external_id: str | None = None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class RaisedLimits:
    """How long, and by which factor, a key may do more than its limits say."""

    until: datetime
    factor: float


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """The stored data that verifies a key: the Argon2id hash of record, and the digest that avoids computing it."""

    hash: str = field(repr=False)
    digest: bytes | None = field(default=None, repr=False)


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
    key_char: str = ""  # which entry of the keyring tagged it
    replaces: str | None = None  # the key whose place this one took
    replaced_by: str | None = None
    replaced_at: datetime | None = None
    metadata: Mapping[str, MetadataValue] = field(default_factory=lambda: NO_METADATA, hash=False)
    external_id: str | None = None
    team_metadata: Mapping[str, MetadataValue] = field(default_factory=lambda: NO_METADATA, hash=False)
    team_external_id: str | None = None  # the team's, as its plan and metadata, at this revision
    pending_until: datetime | None = None  # it has no secret yet; the link with which one is made ends then
    owner_id: str | None = None  # a person; None: the team
    owner_name: str | None = field(default=None, compare=False)  # as it is now; only a reading has it
    limits: tuple[str, ...] = ()  # its own, by name; none: its plan's
    limits_raised: RaisedLimits | None = None
    limits_id: str | None = None  # the id under which it is counted, where it took another key's place
    quota: Quota | None = None  # its own; None: its plan's
    quota_extra: ExtraQuota | None = None

    @property
    def is_disabled(self) -> bool:
        """Whether somebody disabled the key."""
        return self.disabled_at is not None

    @property
    def is_pending(self) -> bool:
        """Whether the key has no secret yet, because nobody has used the link with which it is made."""
        return self.pending_until is not None

    @property
    def is_deleted(self) -> bool:
        """Whether only a tombstone remains."""
        return self.deleted_at is not None

    def is_expired(self, now: datetime) -> bool:
        """Whether the key ran out, at or before *now*."""
        return self.ended_when_replaced or (self.expires_at is not None and self.expires_at <= now)

    @property
    def is_replaced(self) -> bool:
        """Whether another key took this one's place."""
        return self.replaced_by is not None

    @property
    def ended_when_replaced(self) -> bool:
        """Whether the key ended in the moment that it was replaced, whatever the clock of a worker says."""
        ended, replaced = self.expires_at, self.replaced_at
        return ended is not None and replaced is not None and ended <= replaced

    def state(self, now: datetime, *, suspended: bool) -> State:
        """The state to show at *now*; *suspended* is whether its team's plan lacks its type."""
        if self.is_disabled:
            return State.DISABLED
        if self.is_pending:
            return State.PENDING
        if suspended:
            return State.SUSPENDED
        return State.EXPIRED if self.is_expired(now) else State.ACTIVE


@dataclass(frozen=True, slots=True)
class LastUse:
    """When and from where a key was last accepted. The address is None where the server did not know it."""

    at: datetime
    ip: str | None
