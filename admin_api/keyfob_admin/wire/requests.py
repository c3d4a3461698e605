"""What callers may send. Limits are described here and in `fields`; the management layer checks them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from keyfob_admin.wire.fields import (
    Address,
    Addresses,
    Description,
    Grants,
    Moment,
    Name,
    PageSize,
    PageToken,
    Slug,
    TypeName,
)


class CreateKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new key. `replace` deletes the team's present key of a one-per-team type in the same transaction."""

    name: Name
    type: TypeName = "api"
    permissions: Grants | UnsetType = UNSET
    description: Description | None = None
    expires_at: Moment | None = None
    ip_allow: Addresses = []
    replace: bool = False


class PatchKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """A merge patch (RFC 7396): what is left out stays, null clears."""

    name: UnsetType | Name = UNSET
    description: UnsetType | Description | None = UNSET
    permissions: Grants | UnsetType = UNSET
    expires_at: UnsetType | Moment | None = UNSET
    ip_allow: UnsetType | Addresses | None = UNSET


class DuplicateKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """How the copy differs from the original. Without `name` it is called "Copy of …"."""

    name: UnsetType | Name = UNSET
    description: UnsetType | Description | None = UNSET
    permissions: Grants | UnsetType = UNSET
    expires_at: UnsetType | Moment | None = UNSET
    ip_allow: UnsetType | Addresses | None = UNSET


class Nothing(Struct, forbid_unknown_fields=True):
    """An empty object; the body may be left out altogether."""


class CreateTeam(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new team. Without `name` it is called by its id."""

    id: Slug
    name: UnsetType | Name = UNSET
    plan: str = "enterprise"


class PatchTeam(Struct, forbid_unknown_fields=True, kw_only=True):
    """A merge patch (RFC 7396). Lowering `plan` suspends keys of the types that it lacks."""

    name: UnsetType | Name = UNSET
    plan: str | UnsetType = UNSET


class VerifyKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """A key that was presented to you, what it must cover, and `ip`, the address that it was presented from."""

    key: str
    permissions: Grants = []
    team: Slug | None = None
    ip: Address | None = None


class NoQuery(Struct):
    """No parameters."""


class PageQuery(Struct, kw_only=True):
    """Which page."""

    page_size: PageSize = 50
    page_token: PageToken = ""


class ListKeysQuery(Struct, kw_only=True):
    """Which keys, in which order."""

    q: Annotated[str, Meta(description="Part of the name or id, literally.")] = ""
    state: Literal["active", "disabled", "expired", "suspended"] | UnsetType = UNSET
    type: TypeName | UnsetType = UNSET
    unused_since: Annotated[Moment, Meta(description="Keys that were not used since.")] | UnsetType = UNSET
    order_by: Literal["created_at", "-created_at", "name", "-name", "last_used_at", "-last_used_at"] = "created_at"
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
    """How far back."""

    days: Annotated[int, Meta(ge=1, le=365)] = 30


class AuditQuery(Struct, kw_only=True):
    """Which events. All conditions must hold."""

    team: Annotated[str, Meta(description="A team's id.")] | UnsetType = UNSET
    key: Annotated[str, Meta(description="A key's id, or its display form.")] | UnsetType = UNSET
    actor: Annotated[str, Meta(description="The id or the name of who did it.")] | UnsetType = UNSET
    action: Annotated[str, Meta(description="For example `key.disabled`.")] | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    page_size: PageSize = 50
    page_token: PageToken = ""
