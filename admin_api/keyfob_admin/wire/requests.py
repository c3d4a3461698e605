"""What callers may send. Limits are described here and judged by the lifecycle."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Moment = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 100})]
Description = Annotated[str, Meta(extra_json_schema={"maxLength": 1000})]
GrantText = Annotated[str, Meta(description="A permission, `prefix:*`, or `*`.")]
Grants = Annotated[list[GrantText], Meta(extra_json_schema={"maxItems": 200})]
Addresses = Annotated[
    list[str],
    Meta(description="IP addresses or CIDR ranges; empty: any address.", extra_json_schema={"maxItems": 64}),
]
Slug = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z0-9][a-z0-9-]{0,62}$"})]
PageSize = Annotated[int, Meta(ge=1, le=1000)]


class CreateKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new key. *replace* deletes the team's present key of a one-per-team type in the same transaction."""

    name: Name
    type: str = "api"
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
    """What the copy should have other than the original. Without *name* it is called "Copy of …"."""

    name: UnsetType | Name = UNSET
    description: UnsetType | Description | None = UNSET
    permissions: Grants | UnsetType = UNSET
    expires_at: UnsetType | Moment | None = UNSET
    ip_allow: UnsetType | Addresses | None = UNSET


class Nothing(Struct, forbid_unknown_fields=True):
    """An empty object; the body may be left out altogether."""


class CreateTeam(Struct, forbid_unknown_fields=True, kw_only=True):
    """A new team. Without *name* it is called by its id."""

    id: Slug
    name: UnsetType | Name = UNSET
    plan: str = "enterprise"


class PatchTeam(Struct, forbid_unknown_fields=True, kw_only=True):
    """A merge patch (RFC 7396). Lowering *plan* suspends keys of the types that it lacks."""

    name: UnsetType | Name = UNSET
    plan: str | UnsetType = UNSET


class VerifyKey(Struct, forbid_unknown_fields=True, kw_only=True):
    """A key that somebody presented to you, and what it should be good for. *ip* is where it was presented from."""

    key: str
    permissions: Grants = []
    team: str | None = None
    ip: str | None = None


class NoQuery(Struct):
    """No parameters."""


class PageQuery(Struct, kw_only=True):
    """Which page."""

    page_size: PageSize = 50
    page_token: Annotated[str, Meta(description="`next_page_token` of the page before.")] = ""


class ListKeysQuery(Struct, kw_only=True):
    """Which keys, in which order."""

    q: Annotated[str, Meta(description="Part of the name or id, literally.")] = ""
    state: Literal["active", "disabled", "expired", "suspended"] | UnsetType = UNSET
    type: str | UnsetType = UNSET
    unused_since: Moment | UnsetType = UNSET
    order_by: Literal["created_at", "-created_at", "name", "-name", "last_used_at", "-last_used_at"] = "created_at"
    page_size: PageSize = 50
    page_token: Annotated[str, Meta(description="`next_page_token` of the page before.")] = ""


class DisableQuery(Struct, kw_only=True):
    """Whether to answer at once, or when every worker acts on it."""

    wait: (
        Annotated[
            Literal["all"],
            Meta(description="Answer when every worker has confirmed, or may not act any more on what it knew."),
        ]
        | UnsetType
    ) = UNSET


class UsageQuery(Struct, kw_only=True):
    """How far back."""

    days: Annotated[int, Meta(ge=1, le=365)] = 30


class AuditQuery(Struct, kw_only=True):
    """Which events. All conditions must hold."""

    team: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    actor: Annotated[str, Meta(description="The id or the name of who did it.")] | UnsetType = UNSET
    action: Annotated[str, Meta(description="For example `key.disabled`.")] | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    page_size: PageSize = 50
    page_token: Annotated[str, Meta(description="`next_page_token` of the page before.")] = ""
