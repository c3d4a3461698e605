"""What callers are told: keys, teams, usage, audit events. None of these has room for a secret but `NewKey`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

State = Literal["active", "disabled", "pending", "expired", "suspended"]
ActorKind = Literal["person", "key", "cli", "system"]
VerificationCode = Literal["valid", "invalid_key", "address_unknown", "address_not_allowed", "insufficient_scope"]
WhyNot = Literal["plan_required", "key_type_taken"]


class CreatedBy(Struct, frozen=True):
    """Who made a key."""

    kind: ActorKind
    id: str | None
    name: str


class LastUsed(Struct, frozen=True):
    """When and from where a key was last accepted."""

    at: datetime
    ip: str | None


class Key(Struct, frozen=True, kw_only=True):
    """A key, without its secret."""

    id: str
    display: Annotated[str, Meta(description="How the key is written where people read it: `kf_api_<id>`.")]
    name: str
    description: str | None
    type: str
    team: str
    state: State
    permissions: list[str]
    ip_allow: list[str]
    created_at: datetime
    created_by: CreatedBy
    duplicated_from: str | None
    expires_at: datetime | None
    last_used: LastUsed | None
    disabled_at: datetime | None
    etag: Annotated[str, Meta(description="As in `ETag` and `If-Match`, quotes included. Use does not change it.")]


class ChangedKey(Key, frozen=True, kw_only=True):
    """A key after it was disabled or enabled."""

    effective_by: Annotated[datetime, Meta(description="When every worker on every host acts on it, at the latest.")]


class Worker(Struct, frozen=True):
    """A process that judges requests, and when it confirmed a change."""

    id: str
    host: str
    confirmed_at: Annotated[
        datetime | None,
        Meta(description="null: it has stopped, or could not be reached for as long as it may act on what it knew."),
    ]


class DisabledKey(ChangedKey, frozen=True, kw_only=True):
    """A key after it was disabled. The last two members are there with `wait=all`."""

    effective_at: Annotated[
        datetime | UnsetType, Meta(description="Since when no worker in the list acts on what was before.")
    ] = UNSET
    workers: list[Worker] | UnsetType = UNSET


class NewKey(Struct, frozen=True):
    """A key and its secret, which is shown here once and can never be read again."""

    key: Key
    secret: Annotated[str | None, Meta(description="The whole key to present. null in the replay of an answer.")]

    def __repr__(self) -> str:
        return f"NewKey(key={self.key!r})"


class KeyPage(Struct, frozen=True):
    """Some keys, and how to ask for the next ones; null at the end."""

    keys: list[Key]
    next_page_token: str | None


class UsageDay(Struct, frozen=True):
    """One day, in UTC. Denied counts refusals of the key itself: its secret was right."""

    date: date
    admitted: int
    denied: int


class Usage(Struct, frozen=True):
    """A key's days, oldest first, none left out."""

    days: list[UsageDay]


class Team(Struct, frozen=True):
    """Those who hold keys together."""

    id: str
    name: str
    plan: str


class TeamPage(Struct, frozen=True):
    """Some of the teams that the caller can see, by id, and how to ask for the next ones; null at the end."""

    teams: list[Team]
    next_page_token: str | None


class Verification(Struct, frozen=True, kw_only=True):
    """Whether a key is good for what was asked. With `invalid_key` everything but `state` is null or empty."""

    valid: bool
    code: VerificationCode
    key_id: str | None = None
    name: str | None = None
    key_type: str | None = None
    team: str | None = None
    permissions: list[str] = []
    expires_at: datetime | None = None
    ip_allow: list[str] = []
    state: Annotated[
        State | None,
        Meta(description="The key's state, for callers with `keys:read`; null for a text that is not a key they see."),
    ] = None


class Caller(Struct, frozen=True, kw_only=True):
    """The key that this call was made with."""

    key_id: str
    display: str
    name: str
    key_type: str
    team: str
    permissions: list[str]
    expires_at: datetime | None


class Permission(Struct, frozen=True):
    """Something that can be granted, and how people read it."""

    name: str
    label: str


class PermissionList(Struct, frozen=True):
    """The catalogue."""

    permissions: list[Permission]


class KeyType(Struct, frozen=True, kw_only=True):
    """A type of key, and whether the caller's team may have (another) one."""

    name: str
    label: str
    per_team: Annotated[int | None, Meta(description="null: as many as you like.")]
    permissions: Annotated[list[str] | None, Meta(description="null: chosen for each key; else fixed.")]
    can_create: bool
    code: Annotated[WhyNot | None, Meta(description="Why not, as creating one would say it.")]


class KeyTypeList(Struct, frozen=True):
    """The types of key that are configured."""

    team: str
    key_types: list[KeyType]


class AuditActor(Struct, frozen=True):
    """Who did it."""

    kind: ActorKind
    id: str | None
    name: str


class AuditEvent(Struct, frozen=True, kw_only=True):
    """Something that was changed."""

    seq: int
    at: datetime
    actor: AuditActor
    ip: str | None
    action: str
    team: str | None
    key_id: str | None
    detail: dict[str, Any]


class AuditPage(Struct, frozen=True):
    """Some events, newest first, and how to ask for older ones; null at the end."""

    events: list[AuditEvent]
    next_page_token: str | None


class Health(Struct, frozen=True):
    """Whether Keyfob can answer."""

    status: Literal["ok", "unavailable"]
    warnings: Annotated[list[str], Meta(description="What keeps changes from being immediate.")] | UnsetType = UNSET
