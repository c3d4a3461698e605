"""All verbs of a key. Each change is one transaction, which judges the policy and appends the audit event."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.errors import KeyNotDisabled, PreconditionFailed
from keyfob.management.actor import confirmed
from keyfob.management.bulk_disable import BulkDisable
from keyfob.management.handover import Handovers
from keyfob.management.key_changes import Acknowledged, Changed, Precondition, erase, still_there
from keyfob.management.key_creation import CreatedKey, CreateRequest, KeyCreator
from keyfob.management.key_drafts import patched, source_of
from keyfob.management.key_editor import KeyEditor
from keyfob.management.key_limits import needed_for
from keyfob.management.key_listing import KeyListing, KeySearch
from keyfob.management.key_quotas import KeyQuotas
from keyfob.management.key_replacement import DEFAULT_OVERLAP, Replacement, read_overlap
from keyfob.management.key_state import refusal_to_create, state_of
from keyfob.management.key_usage import KeyUsage
from keyfob.management.validation import clean_reason
from keyfob.propagation.acknowledgements import AcknowledgementWait
from keyfob.propagation.reach import seconds_until_effective

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from keyfob.keys.record import KeyRecord, State, Team
    from keyfob.management.actor import Actor
    from keyfob.management.authority import RoleAuthority
    from keyfob.management.idempotency import IdempotencyKey
    from keyfob.management.key_drafts import KeyDraft
    from keyfob.management.key_issuer import KeyIssuer
    from keyfob.management.key_state import CreateRefusal
    from keyfob.management.pagination import Page
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.key_store import KeyStore, KeyView
    from keyfob.store.contract.transaction import Transaction

__all__ = ["Acknowledged", "Changed", "CreatedKey", "KeyLifecycle", "KeySearch", "Precondition"]


class KeyLifecycle:
    """Makes, shows, changes and ends keys.

    Every verb raises `Forbidden` for a missing permission, before anything else, and then `NotFound` for a key or
    team that the actor cannot see. *key_id* may be the 16 characters or the display form.
    """

    def __init__(
        self,
        store: KeyStore,
        issue: KeyIssuer,
        catalogue: Catalogue,
        *,
        now: Callable[[], datetime],
        max_staleness: float,
        authority: RoleAuthority | None = None,
    ) -> None:
        """*max_staleness* is in seconds: how long a worker on another host may not know of a change."""
        self._store = store
        self._catalogue = catalogue
        self._now = now
        self._prefix = issue.prefix
        self._staleness = timedelta(seconds=max_staleness)
        self._making = KeyCreator(store, issue, catalogue, now, authority)
        self.listing = KeyListing(store, catalogue, now, issue.prefix)
        self._change = KeyEditor(store, self.listing, catalogue, now, authority).change
        self.quotas = KeyQuotas(self._change, catalogue)
        self.usage = KeyUsage(self.listing, store, now)
        self.handovers = Handovers(
            store, self._making, self.listing, issue, catalogue=catalogue, now=now, authority=authority
        )
        self.bulk = BulkDisable(store, self.listing, now, issue.prefix, catalogue.cut_foreign)
        self._acknowledgements = AcknowledgementWait(store.workers, lease=max_staleness, now=now)

    async def create(
        self,
        team_id: str,
        draft: KeyDraft,
        *,
        actor: Actor,
        replace: bool = False,
        idempotency: IdempotencyKey | None = None,
    ) -> CreatedKey:
        """Make a key. *replace* deletes the team's key of the type first, where it may have only one.

        Raises:
            Invalid, PlanRequired, FixedPermissions, ExceedsOwnPermissions, ExceedsOwnLimits, KeyTypeTaken, LastAdmin,
            IdempotencyMismatch, IdempotencyInProgress
        """
        order = CreateRequest(team=team_id, actor=actor, draft=draft, replace=replace, idempotency=idempotency)
        return await self._making.make(order)

    async def duplicate(
        self,
        team_id: str,
        key_id: str,
        overrides: Mapping[str, object],
        *,
        actor: Actor,
        idempotency: IdempotencyKey | None = None,
    ) -> CreatedKey:
        """Make an active copy with a new secret. What *overrides* does not name is copied, but for the name.

        Raises:
            Invalid, PlanRequired, FixedPermissions, ExceedsOwnPermissions, ExceedsOwnLimits, KeyTypeTaken,
            IdempotencyMismatch, IdempotencyInProgress
        """
        source = source_of(key_id, self._prefix, actor)
        order = CreateRequest(team=team_id, actor=actor, source=source, overrides=overrides, idempotency=idempotency)
        return await self._making.make(order)

    async def rotate(
        self,
        team_id: str,
        key_id: str,
        overrides: Mapping[str, object],
        *,
        overlap: str | None = DEFAULT_OVERLAP,
        actor: Actor,
        idempotency: IdempotencyKey | None = None,
        precondition: Precondition | None = None,
    ) -> CreatedKey:
        """Make a key that takes this one's place. It is like this one but for *overrides*, its lifetime afresh.

        This one ends after *overlap* (``"0s"`` to ``"90d"``; None: until somebody ends it), never later than it would.

        Raises:
            Invalid, PlanRequired, FixedPermissions, ExceedsOwnPermissions, ExceedsOwnLimits, KeyTypeTaken, LastAdmin,
            AlreadyRotated, KeyNotActive, PreconditionFailed, IdempotencyMismatch, IdempotencyInProgress
        """
        source = source_of(key_id, self._prefix, actor)
        order = CreateRequest(
            team=team_id,
            actor=actor,
            source=source,
            overrides=overrides,
            idempotency=idempotency,
            replacement=Replacement(read_overlap(overlap), precondition),
        )
        return await self._making.make(order)

    async def get(self, team_id: str, key_id: str, *, actor: Actor) -> KeyView:
        """Look at one key; needs ``keys:read``."""
        return await self.listing.one(team_id, key_id, actor=actor, needed="keys:read")

    async def list_keys(self, search: KeySearch, *, actor: Actor) -> Page[KeyView]:
        """List keys; needs ``keys:read``. Raises Invalid with the parameter's name as pointer."""
        return await self.listing.many(search, actor=actor)

    def state(self, record: KeyRecord) -> State:
        """Return the state that *record* is shown in now."""
        return state_of(record, self._catalogue, self._now())

    async def can_create(self, key_type: str, team: Team) -> CreateRefusal | None:
        """Return None if *team* may have one more key of *key_type*, else the code of the refusal."""
        return await refusal_to_create(key_type, team, store=self._store, catalogue=self._catalogue, now=self._now())

    async def update(
        self,
        team_id: str,
        key_id: str,
        patch: Mapping[str, object],
        *,
        actor: Actor,
        if_match: int | None = None,
        precondition: Precondition | None = None,
    ) -> KeyView:
        """Apply a merge patch (RFC 7396) if the key still has the revision *if_match* and meets *precondition*.

        Raises:
            Invalid, FixedPermissions, PreconditionFailed, LastAdmin
            ExceedsOwnPermissions, ExceedsOwnLimits: only if the patch widens
        """

        def alter(before: KeyRecord, at: datetime) -> KeyRecord:
            if if_match is not None and if_match != before.revision:
                raise PreconditionFailed("the key was changed since you read it")
            return patched(before, patch, self._catalogue, now=at)

        needed = needed_for(patch)
        return await self._change(team_id, key_id, alter, actor=actor, precondition=precondition, needed=needed)

    async def disable(
        self,
        team_id: str,
        key_id: str,
        *,
        actor: Actor,
        precondition: Precondition | None = None,
        reason: str | None = None,
    ) -> Changed:
        """Switch the key off; again changes nothing. Raises Invalid, LastAdmin, PreconditionFailed."""
        told = clean_reason(reason, cut=self._catalogue.cut_foreign)
        return await self._switch(team_id, key_id, actor, on=False, precondition=precondition, reason=told)

    async def acknowledged(self, changed: Changed) -> Acknowledged:
        """Return when every worker has confirmed *changed*, or its lease has run out. Nothing is undone if one leaves.

        Raises:
            StoreUnavailable: who the workers are could not be read. The change is made all the same.
        """
        workers = await self._acknowledgements.wait_for(changed.view.record.revision)
        return Acknowledged(workers, changed.effective_by if changed.is_immediate else self._now())

    async def enable(
        self, team_id: str, key_id: str, *, actor: Actor, precondition: Precondition | None = None
    ) -> Changed:
        """Switch the key on; again changes nothing, and an expired key stays expired.

        Raises:
            ExceedsOwnPermissions, ExceedsOwnLimits, PreconditionFailed
        """
        return await self._switch(team_id, key_id, actor, on=True, precondition=precondition)

    async def delete(
        self,
        team_id: str,
        key_id: str,
        *,
        actor: Actor,
        precondition: Precondition | None = None,
        reason: str | None = None,
    ) -> None:
        """End a disabled key for good; needs ``keys:delete``. Raises Invalid, KeyNotDisabled, PreconditionFailed."""
        told = clean_reason(reason, cut=self._catalogue.cut_foreign)
        seen = await self.listing.one(team_id, key_id, actor=actor, needed="keys:delete")

        async def work(rows: Transaction) -> None:
            at = self._now()
            doer = await confirmed(actor, rows, "keys:delete", at=at)
            before = await still_there(rows, seen.record.id, doer)
            if not before.is_disabled:
                raise KeyNotDisabled("disable the key before you delete it")
            if precondition is not None:  # after what fails without it, too (RFC 9110, section 13.2.1)
                precondition(before.revision)
            await erase(rows, before, doer, at=at, reason=told)

        await self._store.change(work)

    async def _switch(
        self,
        team_id: str,
        key_id: str,
        actor: Actor,
        *,
        on: bool,
        precondition: Precondition | None,
        reason: str | None = None,
    ) -> Changed:
        def alter(before: KeyRecord, at: datetime) -> KeyRecord:
            return before if before.is_disabled is not on else replace(before, disabled_at=None if on else at)

        view = await self._change(team_id, key_id, alter, actor=actor, precondition=precondition, reason=reason)
        return await self.in_force(view)

    async def in_force(self, view: KeyView) -> Changed:
        """Say when the last worker acts on what a change that was just made left of a key."""
        wait = timedelta(seconds=await seconds_until_effective(self._store, self._staleness.total_seconds()))
        return Changed(view, self._now() + wait, is_immediate=not wait)
