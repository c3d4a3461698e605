"""From the records of the management layer to the bodies of responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, overload

import msgspec
from msgspec import UNSET

from keyfob.keys.format import display
from keyfob.management.actor import creator_of
from keyfob.management.key_state import state_of
from keyfob_admin.wire import audit_views, views
from keyfob_admin.wire.found_keys import Deletion, FoundKey, Position
from keyfob_admin.wire.key_limits import KeyQuota, LimitsRaised
from keyfob_admin.wire.preconditions import etag

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from keyfob.audit import ChainedEvent, Event
    from keyfob.gate.verdict import Grant
    from keyfob.keys.record import Creator, KeyRecord, Team
    from keyfob.management.key_finder import Match
    from keyfob.management.keys import Acknowledged, Changed, CreatedKey
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.key_store import KeyView


@dataclass(frozen=True, slots=True)
class KeyPresenter:
    """Presents keys as of *now*, in an installation with this *catalogue* and *prefix*.

    *is_for_readers* is false for callers who may change keys and not read them: metadata and external id, which the
    application decides by, are then left empty.
    """

    catalogue: Catalogue
    prefix: str
    now: datetime
    is_for_readers: bool = True

    def key(self, view: KeyView) -> views.Key:
        """Show a key."""
        return views.Key(**self._members(view))  # type: ignore[arg-type]

    def changed(self, view: KeyView, effective_by: datetime) -> views.ChangedKey:
        """Show a key that was just disabled or enabled."""
        return views.ChangedKey(**self._members(view), effective_by=effective_by)  # type: ignore[arg-type]

    def disabled(self, changed: Changed, acknowledged: Acknowledged | None = None) -> views.DisabledKey:
        """Show a key that was just disabled, with the workers' confirmations if the call waited for them."""
        shown = self._members(changed.view)
        if acknowledged is None:
            return views.DisabledKey(**shown, effective_by=changed.effective_by)  # type: ignore[arg-type]
        at = acknowledged.effective_at
        workers = shown_workers(acknowledged)
        return views.DisabledKey(**shown, effective_by=at, effective_at=at, workers=workers)  # type: ignore[arg-type]

    def offered(self, created: CreatedKey, address: Callable[[str], str]) -> views.NewKey:
        """Show a pending key and its link, which *address* makes of the link's token."""
        link = created.link
        url = None if link is None else address(link.token)
        return views.NewKey(self.key(created.view), handover_url=url, expires_at=created.key.pending_until)

    def rotated(self, created: CreatedKey, acknowledged: Acknowledged | None = None) -> views.RotatedKey:
        """Show a new key and the one that it replaces, with the workers' confirmations if the call waited for them."""
        old = created.replaced
        replaced = None if old is None else views.ReplacedKey(old.id, old.expires_at)
        shown = views.RotatedKey(key=self.key(created.view), secret=created.secret, replaced=replaced)
        if acknowledged is None:
            return shown
        at, workers = acknowledged.effective_at, shown_workers(acknowledged)
        return msgspec.structs.replace(shown, effective_at=at, workers=workers)

    def found(self, match: Match) -> FoundKey:
        """Show what was found in a text; nothing of the text is in it."""
        gone, view = match.deletion, match.view
        return FoundKey(
            kind=match.kind,
            key=UNSET if view is None else self.key(view),
            deleted=UNSET if gone is None else Deletion(gone.at, _creator(gone.by), gone.name, gone.team),
            where=Position(match.mention.line, match.mention.column),
            secret_checked=match.is_checked,
        )

    def _members(self, view: KeyView) -> dict[str, object]:
        record, used, raised = view.record, view.last_used, view.record.limits_raised
        return {
            "id": record.id,
            "display": display(record.key_type, record.id, self.prefix),
            "name": record.name,
            "description": record.description,
            "type": record.key_type,
            "team": record.team,
            "state": self._state(record),
            "permissions": list(record.permissions),
            "ip_allow": list(record.ip_allow),
            "created_at": record.created_at,
            "created_by": _creator(record.created_by),
            "owner": _owner(record),
            "duplicated_from": record.duplicated_from,
            "expires_at": record.expires_at,
            "last_used": views.LastUsed(used.at, used.ip) if used else None,
            "disabled_at": record.disabled_at,
            "etag": etag(record.revision),
            "metadata": dict(record.metadata) if self.is_for_readers else {},
            "external_id": record.external_id if self.is_for_readers else None,
            "replaces": record.replaces,
            "replaced_by": record.replaced_by,
            "replaced_at": record.replaced_at,
            "limits": list(record.limits),
            "limits_raised": None if raised is None else LimitsRaised(raised.until, raised.factor),
            "quota": None if record.quota is None else KeyQuota(record.quota.amount, record.quota.every.value),
        }

    def _state(self, record: KeyRecord) -> views.State:
        return state_of(record, self.catalogue, self.now).value


@overload
def _creator(creator: Creator) -> views.CreatedBy: ...
@overload
def _creator(creator: Creator | None) -> views.CreatedBy | None: ...
def _creator(creator: Creator | None) -> views.CreatedBy | None:
    if creator is None:
        return None
    email = creator.email if creator.kind == "person" else UNSET
    return views.CreatedBy(cast("views.ActorKind", creator.kind), creator.id, creator.name, email)


def _owner(record: KeyRecord) -> views.Owner:
    if record.owner_id is None:
        return views.Owner("team")
    return views.Owner("person", record.owner_id, record.owner_name)


def shown_workers(acknowledged: Acknowledged) -> list[views.Worker]:
    """Show what the workers confirmed."""
    return [views.Worker(worker.id, worker.host, worker.confirmed_at) for worker in acknowledged.workers]


def shown_team(team: Team) -> views.Team:
    """Show a team."""
    return views.Team(team.id, team.name, team.plan, dict(team.metadata), team.external_id)


def shown_event(chained: ChainedEvent) -> audit_views.AuditEvent:
    """Show an audit event, without its MAC."""
    event = chained.event
    return audit_views.AuditEvent(
        seq=chained.seq,
        at=event.at,
        actor=_audit_actor(event),
        ip=event.ip,
        action=event.action,
        team=event.team,
        key_id=event.key_id,
        person_id=event.person_id,
        detail={name: value for name, value in event.detail.items() if name != "actor_email"},
    )


def _audit_actor(event: Event) -> audit_views.AuditActor:
    by = creator_of(event)
    email = by.email if by.kind == "person" else UNSET
    return audit_views.AuditActor(cast("views.ActorKind", by.kind), by.id, by.name, email)


def shown_caller(grant: Grant, prefix: str) -> views.Caller:
    """Show the calling key."""
    return views.Caller(
        key_id=grant.key_id,
        display=display(grant.key_type, grant.key_id, prefix),
        name=grant.name,
        key_type=grant.key_type,
        team=grant.team,
        permissions=sorted(grant.permissions),
        expires_at=grant.expires_at,
    )
