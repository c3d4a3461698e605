"""What responses about the audit log hold."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from keyfob_admin.wire.fields import Count, KeyId, Moment, NextPageToken, Slug
from keyfob_admin.wire.views import ActorKind


class AuditActor(Struct, frozen=True):
    """Who made a change."""

    kind: ActorKind
    id: str | None
    name: str
    email: Annotated[str | UnsetType | None, Meta(description="Of a person, as of then.")] = UNSET


class AuditEvent(Struct, frozen=True, kw_only=True):
    """One change, who made it and from where."""

    seq: Count
    at: Moment
    actor: AuditActor
    ip: str | None
    action: str
    team: Slug | None
    key_id: KeyId | None
    person_id: Annotated[str | None, Meta(description="Whom it happened to.")]
    detail: dict[str, Any]


class AuditPage(Struct, frozen=True):
    """Some of the events, newest first."""

    events: list[AuditEvent]
    next_page_token: NextPageToken
