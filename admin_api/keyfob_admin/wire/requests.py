"""What callers may send. Limits are described here and in `fields`; the management layer checks them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from keyfob.management.handover_link import DEFAULT_EXPIRY
from keyfob_admin.wire.fields import (
    Address,
    Addresses,
    Description,
    ExternalId,
    Grants,
    LinkLifetime,
    Metadata,
    Moment,
    Name,
    Overlap,
    PageSize,
    PageToken,
    PersonId,
    Reason,
    Slug,
    TypeName,
)
from keyfob_admin.wire.key_limits import KeyQuota, LimitNames, LimitsRaised
from keyfob_admin.wire.key_usage import Grouping


class Handover(Struct, forbid_unknown_fields=True, kw_only=True):
    """A link that makes the key's secret once, for whoever opens it: how long it works."""

    expires_in: LinkLifetime = DEFAULT_EXPIRY


class CreateKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new key. `replace` deletes the team's present key of a one-per-team type in the same transaction."""

    name: Name
    type: TypeName = "api"
    permissions: Grants | UnsetType = UNSET
    description: Description | None = None
    expires_at: UnsetType | Moment | None = UNSET
    ip_allow: Addresses = []
    replace: bool = False
    metadata: Metadata | UnsetType = UNSET
    external_id: ExternalId | None = None
    handover: Handover | UnsetType = UNSET
    limits: LimitNames = []
    quota: KeyQuota | None = None


class OwningPerson(Struct, forbid_unknown_fields=True):
    """A person who is to own a key."""

    person: PersonId


class PatchKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """A merge patch (RFC 7396): what is left out stays, null clears."""

    name: UnsetType | Name = UNSET
    owner: Annotated[
        UnsetType | OwningPerson | Literal["team"], Meta(description="Somebody with a role in the team, or `team`.")
    ] = UNSET
    description: UnsetType | Description | None = UNSET
    permissions: Grants | UnsetType = UNSET
    expires_at: UnsetType | Moment | None = UNSET
    ip_allow: UnsetType | Addresses | None = UNSET
    metadata: UnsetType | Metadata | None = UNSET
    external_id: UnsetType | ExternalId | None = UNSET
    limits: UnsetType | LimitNames | None = UNSET
    limits_raised: UnsetType | LimitsRaised | None = UNSET
    quota: UnsetType | KeyQuota | None = UNSET


class DuplicateKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """How the copy differs from the original. Without `name` it is called "Copy of …"."""

    name: UnsetType | Name = UNSET
    description: UnsetType | Description | None = UNSET
    permissions: Grants | UnsetType = UNSET
    expires_at: UnsetType | Moment | None = UNSET
    ip_allow: UnsetType | Addresses | None = UNSET
    metadata: UnsetType | Metadata | None = UNSET
    external_id: UnsetType | ExternalId | None = UNSET


class RotateKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """How long the replaced key goes on working (null: no end), and how the new one differs from it."""

    overlap: Overlap | None = "24h"
    name: UnsetType | Name = UNSET
    description: UnsetType | Description | None = UNSET
    permissions: Grants | UnsetType = UNSET
    expires_at: UnsetType | Moment | None = UNSET
    ip_allow: UnsetType | Addresses | None = UNSET
    metadata: UnsetType | Metadata | None = UNSET
    external_id: UnsetType | ExternalId | None = UNSET


class Why(Struct, forbid_unknown_fields=True):
    """The reason for a change. The body may be left out altogether."""

    reason: UnsetType | Reason = UNSET


class KeyFilter(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which keys; all conditions must hold, and there must be one."""

    q: UnsetType | str = UNSET
    state: Literal["active", "disabled", "pending", "expired", "suspended"] | UnsetType = UNSET
    type: TypeName | UnsetType = UNSET
    unused_since: UnsetType | Moment = UNSET
    expires_before: UnsetType | Moment = UNSET
    expires_after: UnsetType | Moment = UNSET
    created_by: UnsetType | str = UNSET
    owner: UnsetType | str = UNSET
    external_id: UnsetType | ExternalId = UNSET
    never_used: UnsetType | bool = UNSET


class DisableKeys(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which keys to disable: `ids`, or those that `filter` finds. With `dry_run` nothing is changed."""

    ids: UnsetType | list[str] = UNSET
    filter: KeyFilter | UnsetType = UNSET
    dry_run: bool = False
    reason: UnsetType | Reason = UNSET


class Nothing(Struct, forbid_unknown_fields=True):
    """An empty object; the body may be left out altogether."""


class CreateTeam(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new team. Without `name` it is called by its id."""

    id: Slug
    name: UnsetType | Name = UNSET
    plan: str = "enterprise"
    metadata: Metadata | UnsetType = UNSET
    external_id: ExternalId | None = None


class PatchTeam(Struct, forbid_unknown_fields=True, kw_only=True):
    """A merge patch (RFC 7396). Lowering `plan` suspends keys of the types that it lacks."""

    name: UnsetType | Name = UNSET
    plan: str | UnsetType = UNSET
    metadata: UnsetType | Metadata | None = UNSET
    external_id: UnsetType | ExternalId | None = UNSET


class VerifyKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """A key that was presented to you, what it must cover, and `ip`, the address that it was presented from."""

    key: str
    permissions: Grants = []
    team: Slug | None = None
    ip: Address | None = None


class FindKeys(Struct, forbid_unknown_fields=True, kw_only=True):
    """Any text that keys may stand in: a line of a log, a page, a message. It is neither stored nor logged."""

    text: Annotated[str, Meta(description="At most 64 KiB in UTF-8.")]


class PreviewKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """A change to try: `patch` is what PATCH takes."""

    patch: PatchKey


class Explain(Struct, forbid_unknown_fields=True, kw_only=True):
    """A request: `key`, `method` (`WS` for a WebSocket), `path` and perhaps `ip`; or else `request_id` alone."""

    key: UnsetType | str = UNSET
    method: UnsetType | str = UNSET
    path: UnsetType | str = UNSET
    ip: UnsetType | Address = UNSET
    request_id: UnsetType | str = UNSET


class NoQuery(Struct):
    """No parameters."""


class PageQuery(Struct, kw_only=True):
    """Which page."""

    page_size: PageSize = 50
    page_token: PageToken = ""


class ListKeysQuery(Struct, kw_only=True):
    """Which keys, in which order."""

    q: Annotated[str, Meta(description="Part of the name or id, literally.")] = ""
    state: Literal["active", "disabled", "pending", "expired", "suspended"] | UnsetType = UNSET
    type: TypeName | UnsetType = UNSET
    unused_since: Annotated[Moment, Meta(description="Keys that were made before, and not used since.")] | UnsetType = (
        UNSET
    )
    expires_before: Moment | UnsetType = UNSET
    expires_after: Annotated[Moment, Meta(description="Keys that never expire are among them.")] | UnsetType = UNSET
    created_by: Annotated[str, Meta(description="The id of the key or person that made them.")] | UnsetType = UNSET
    owner: Annotated[str, Meta(description="The id of the person who owns them, or `team`.")] | UnsetType = UNSET
    external_id: ExternalId | UnsetType = UNSET
    never_used: Annotated[Literal["true"], Meta(description="Only keys without any use.")] | UnsetType = UNSET
    order_by: Literal[
        "created_at",
        "-created_at",
        "name",
        "-name",
        "last_used_at",
        "-last_used_at",
        "expires_at",
        "-expires_at",
    ] = "created_at"
    page_size: PageSize = 50
    page_token: PageToken = ""


class DisableQuery(Struct, kw_only=True):
    """Whether to wait until every worker acts on it."""

    wait: (
        Annotated[
            Literal["all"],
            Meta(description="Respond once every worker has confirmed, or its lease has run out."),
        ]
        | UnsetType
    ) = UNSET


class UsageQuery(Struct, kw_only=True):
    """How far back, and by what; without `by` day by day."""

    days: Annotated[int, Meta(ge=1, le=365)] = 30
    by: Grouping | UnsetType = UNSET


class AuditQuery(Struct, kw_only=True):
    """Which events. All conditions must hold."""

    team: Annotated[str, Meta(description="A team's id.")] | UnsetType = UNSET
    key: Annotated[str, Meta(description="A key's id, or its display form.")] | UnsetType = UNSET
    actor: Annotated[str, Meta(description="The id or the name of who did it.")] | UnsetType = UNSET
    action: Annotated[str, Meta(description="For example `key.disabled`.")] | UnsetType = UNSET
    person: Annotated[str, Meta(description="The id of the person whom it happened to.")] | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    page_size: PageSize = 50
    page_token: PageToken = ""
