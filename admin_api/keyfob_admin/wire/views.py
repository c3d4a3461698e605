"""What responses hold: keys, teams, usage, audit events. Only `NewKey` has room for a secret."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from keyfob_admin.wire.fields import (
    Addresses,
    Count,
    Description,
    Display,
    ETag,
    ExternalId,
    Grants,
    KeyId,
    Metadata,
    Moment,
    Name,
    NextPageToken,
    PersonId,
    Slug,
    TypeName,
)
from keyfob_admin.wire.key_limits import KeyQuota, LimitNames, LimitsRaised

State = Literal["active", "disabled", "pending", "expired", "suspended"]
ActorKind = Literal["person", "key", "cli", "system"]
VerificationCode = Literal["valid", "invalid_key", "address_unknown", "address_not_allowed", "insufficient_scope"]
WhyNot = Literal["plan_required", "key_type_taken", "policy"]


class CreatedBy(Struct, frozen=True):
    """Who made a key."""

    kind: ActorKind
    id: str | None
    name: str
    email: Annotated[str | UnsetType | None, Meta(description="Of a person, as of then.")] = UNSET


class Owner(Struct, frozen=True):
    """Who owns a key: a person, or its team."""

    kind: Literal["person", "team"]
    id: PersonId | UnsetType = UNSET
    name: UnsetType | str | None = UNSET


class LastUsed(Struct, frozen=True):
    """When and from where a key was last accepted."""

    at: Moment
    ip: str | None


class Key(Struct, frozen=True, kw_only=True):
    """A key, without its secret."""

    id: KeyId
    display: Display
    name: Name
    description: Description | None
    type: TypeName
    team: Slug
    state: State
    permissions: Grants
    ip_allow: Addresses
    created_at: Moment
    created_by: CreatedBy
    owner: Owner
    duplicated_from: KeyId | None
    expires_at: Moment | None
    last_used: LastUsed | None
    disabled_at: Moment | None
    etag: ETag
    metadata: Metadata
    external_id: ExternalId | None
    replaces: KeyId | None
    replaced_by: KeyId | None
    replaced_at: Moment | None
    limits: LimitNames
    limits_raised: LimitsRaised | None
    quota: KeyQuota | None


class ChangedKey(Key, frozen=True, kw_only=True):
    """A key after it was disabled or enabled."""

    effective_by: Annotated[
        Moment, Meta(description="When every worker on every host acts on the change, at the latest.")
    ]


class Worker(Struct, frozen=True):
    """A worker, and when it confirmed a change."""

    id: str
    host: str
    confirmed_at: Annotated[
        Moment | None,
        Meta(description="null: it has stopped, or its lease ran out before it could confirm."),
    ]


class DisabledKey(ChangedKey, frozen=True, kw_only=True):
    """A key after it was disabled. The last two members are there with `wait=all`."""

    effective_at: Annotated[
        Moment | UnsetType, Meta(description="Since when every worker in the list acts on the change.")
    ] = UNSET
    workers: list[Worker] | UnsetType = UNSET


class NewKey(Struct, frozen=True):
    """A key and its secret, which is shown here once and can never be read again; or the link that hands it over."""

    key: Key
    secret: Annotated[
        str | UnsetType | None,
        Meta(description="The whole key, to present. null in a replayed response; left out of a handover."),
    ] = UNSET
    handover_url: Annotated[
        str | UnsetType | None,
        Meta(description="Of a handover: the link to send, which works once. null in a replayed response."),
    ] = UNSET
    expires_at: Annotated[Moment | UnsetType | None, Meta(description="Of a handover: when the link ends.")] = UNSET

    def __repr__(self) -> str:
        return f"NewKey(key={self.key!r})"


class ReplacedKey(Struct, frozen=True):
    """The key whose place another one took, and when it ends; null: it goes on until somebody ends it."""

    id: KeyId
    ends_at: Moment | None


class RotatedKey(Struct, frozen=True, kw_only=True):
    """The new key, its secret, which is shown here once, and the key that it replaces."""

    key: Key
    secret: Annotated[str | None, Meta(description="The whole key, to present. null in a replayed response.")]
    replaced: Annotated[ReplacedKey | None, Meta(description="null in a replayed response, once it was deleted.")]
    effective_at: Annotated[
        Moment | UnsetType, Meta(description="With `wait=all`: since when every worker acts on the replaced key's end.")
    ] = UNSET
    workers: list[Worker] | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"RotatedKey(key={self.key!r})"


class KeyPage(Struct, frozen=True):
    """Some of the keys. The first page says how many there are in all."""

    keys: list[Key]
    next_page_token: NextPageToken
    total: Annotated[Count | UnsetType, Meta(description="How many there are on all pages; on the first one.")] = UNSET


class DisabledKeys(Struct, frozen=True):
    """The keys that were asked for, as they are now; with `dry_run`, as they would be found."""

    keys: list[Key]


class Team(Struct, frozen=True):
    """A team, which keys belong to."""

    id: Slug
    name: Name
    plan: str
    metadata: Metadata
    external_id: ExternalId | None


class TeamPage(Struct, frozen=True):
    """Some of the teams that the caller can see, by id."""

    teams: list[Team]
    next_page_token: NextPageToken


class Verification(Struct, frozen=True, kw_only=True):
    """Whether a key is good for what was asked. With `invalid_key` everything but `state` is null or empty."""

    valid: bool
    code: VerificationCode
    key_id: KeyId | None = None
    name: Name | None = None
    key_type: TypeName | None = None
    team: Slug | None = None
    permissions: Grants = []
    expires_at: Moment | None = None
    ip_allow: Addresses = []
    state: Annotated[
        State | None,
        Meta(description="The key's state, for callers with `keys:read` who can see the key; otherwise null."),
    ] = None


class Explanation(Struct, frozen=True, kw_only=True):
    """What became, or would become, of one request."""

    outcome: Annotated[
        Literal["admitted", "refused", "public"], Meta(description="`public`: the path needs no key, and none is read.")
    ]
    reason: Annotated[str | None, Meta(description="Why it is refused, as in the log; null where it is not.")]
    rule: Annotated[str | None, Meta(description="The rule, as it is written; null where none names the path.")]
    needed: Annotated[list[str], Meta(description="Every permission that the rule names.")]
    held: Grants
    missing: Annotated[list[str], Meta(description="Those that the key lacks, or some of which it lacks.")]
    changes: Annotated[list[str], Meta(description="What would let it pass, one sentence for each obstacle.")]
    key_id: KeyId
    display: Display
    name: Name
    team: Slug
    state: State
    method: str
    path: str
    ip: str | None
    refused_at: Annotated[Moment | None, Meta(description="null where no request was sent.")]


class Caller(Struct, frozen=True, kw_only=True):
    """The key that this call was made with."""

    key_id: KeyId
    display: Display
    name: Name
    key_type: TypeName
    team: Slug
    permissions: Grants
    expires_at: Moment | None


class Permission(Struct, frozen=True):
    """A permission that can be granted, and its label."""

    name: str
    label: str


class PermissionList(Struct, frozen=True):
    """The catalogue."""

    permissions: list[Permission]


class KeyType(Struct, frozen=True, kw_only=True):
    """A type of key, and whether the caller's team may create another key of it."""

    name: TypeName
    label: str
    per_team: Annotated[int | None, Meta(description="How many keys of this type a team may have; null: any number.")]
    permissions: Annotated[
        list[str] | None, Meta(description="What every key of this type holds; null: chosen for each key.")
    ]
    can_create: bool
    code: Annotated[WhyNot | None, Meta(description="Why not: the code that creating one would be refused with.")]


class KeyTypeList(Struct, frozen=True):
    """The types of key that are configured."""

    team: Slug
    key_types: list[KeyType]
