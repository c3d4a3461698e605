"""Everything that can happen to a key, whoever asks: the admin API, the console or the command line.

Each change is one transaction: the policy is judged inside it, and its audit event commits with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.errors import KeyNotDisabled, NotFound, PreconditionFailed
from keyfob.keys.format import key_id_of
from keyfob.management.actor import confirmed
from keyfob.management.audited_state import AFTER, GONE, state_of_key
from keyfob.management.escalation import check_escalation, check_limits, require_root_key, widens
from keyfob.management.key_creation import CreatedKey, CreateRequest, KeyCreator
from keyfob.management.key_drafts import difference, patched
from keyfob.management.key_listing import KeyListing, KeySearch
from keyfob.management.key_state import refusal_to_create, state_of
from keyfob.propagation.acknowledgements import AcknowledgementWait
from keyfob.propagation.reach import seconds_until_effective
from keyfob.store.contract import KeyView

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from keyfob.keys.record import KeyRecord, State, Team
    from keyfob.management.actor import Actor
    from keyfob.management.idempotency import IdempotencyKey
    from keyfob.management.key_drafts import KeyDraft
    from keyfob.management.key_issuer import KeyIssuer
    from keyfob.management.key_state import CreateRefusal
    from keyfob.management.pagination import Page
    from keyfob.policy.catalogue import Catalogue
    from keyfob.propagation.acknowledgements import Answer
    from keyfob.store.contract import KeyStore, UseDay
    from keyfob.store.transaction import Transaction

Precondition = Callable[[int], None]
"""Raises PreconditionFailed for a revision of a key that must not be changed. Asked in the transaction, last."""

__all__ = ["Acknowledged", "Changed", "CreatedKey", "KeyLifecycle", "KeySearch", "Precondition"]


@dataclass(frozen=True, slots=True)
class Changed:
    """A key after it was switched off or on, and when the last worker that serves it knows."""

    view: KeyView
    effective_by: datetime
    is_immediate: bool = False  # no worker acts on what was before any more


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the workers said to a change, and since when none of them acts on what was before."""

    workers: tuple[Answer, ...]
    effective_at: datetime


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
    ) -> None:
        """*max_staleness* is in seconds: how long a worker on another host may not know of a change."""
        self._store = store
        self._catalogue = catalogue
        self._now = now
        self._prefix = issue.prefix
        self._staleness = timedelta(seconds=max_staleness)
        self._making = KeyCreator(store, issue, catalogue, now)
        self._listing = KeyListing(store, catalogue, now, issue.prefix)
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
        actor.demand("keys:write")
        source = key_id_of(key_id, self._prefix)
        if source is None:
            raise NotFound("there is no such key")
        order = CreateRequest(team=team_id, actor=actor, source=source, overrides=overrides, idempotency=idempotency)
        return await self._making.make(order)

    async def get(self, team_id: str, key_id: str, *, actor: Actor) -> KeyView:
        """Look at one key; needs ``keys:read``."""
        return await self._listing.one(team_id, key_id, actor=actor, needed="keys:read")

    async def list_keys(self, search: KeySearch, *, actor: Actor) -> Page[KeyView]:
        """List keys; needs ``keys:read``. Raises Invalid with the parameter's name as pointer."""
        return await self._listing.many(search, actor=actor)

    async def usage(self, team_id: str, key_id: str, days: int | str = 30, *, actor: Actor) -> list[UseDay]:
        """Give each of the last *days* (1–365, UTC), today last; needs ``keys:read``. Raises Invalid."""
        return await self._listing.usage(team_id, key_id, days, actor=actor)

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

        return await self._change(team_id, key_id, alter, actor, precondition)

    async def disable(
        self, team_id: str, key_id: str, *, actor: Actor, precondition: Precondition | None = None
    ) -> Changed:
        """Switch the key off; again changes nothing. Raises LastAdmin, PreconditionFailed."""
        return await self._switch(team_id, key_id, actor, on=False, precondition=precondition)

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
        self, team_id: str, key_id: str, *, actor: Actor, precondition: Precondition | None = None
    ) -> None:
        """End a disabled key for good; needs ``keys:delete``. Raises KeyNotDisabled, PreconditionFailed."""
        seen = await self._listing.one(team_id, key_id, actor=actor, needed="keys:delete")

        async def work(rows: Transaction) -> None:
            at = self._now()
            doer = await confirmed(actor, rows, "keys:delete", at=at)
            before = await _still_there(rows, seen.record, doer)
            if not before.is_disabled:
                raise KeyNotDisabled("disable the key before you delete it")
            if precondition is not None:  # after what fails without it, too (RFC 9110, section 13.2.1)
                precondition(before.revision)
            await rows.erase_key(before.id, at)
            detail = {"name": before.name, "type": before.key_type, AFTER: dict(GONE)}
            await rows.append(doer.did("key.deleted", at, team=before.team, key_id=before.id, **detail))

        await self._store.change(work)

    async def _switch(
        self, team_id: str, key_id: str, actor: Actor, *, on: bool, precondition: Precondition | None
    ) -> Changed:
        def alter(before: KeyRecord, at: datetime) -> KeyRecord:
            return before if before.is_disabled is not on else replace(before, disabled_at=None if on else at)

        view = await self._change(team_id, key_id, alter, actor, precondition)
        wait = timedelta(seconds=await seconds_until_effective(self._store, self._staleness.total_seconds()))
        return Changed(view, self._now() + wait, is_immediate=not wait)

    async def _change(
        self,
        team_id: str,
        key_id: str,
        alter: Callable[[KeyRecord, datetime], KeyRecord],
        actor: Actor,
        precondition: Precondition | None,
    ) -> KeyView:
        """Make the key what *alter* says, if that is something else than it is."""
        seen = await self._listing.one(team_id, key_id, actor=actor, needed="keys:write")

        async def work(rows: Transaction) -> KeyRecord:
            at = self._now()
            doer = await confirmed(actor, rows, "keys:write", at=at)
            before = await _still_there(rows, seen.record, doer)
            if precondition is not None:
                precondition(before.revision)
            after = alter(before, at)
            if after == before:
                return before
            if widens(before, after):
                check_escalation(doer, after.permissions, self._catalogue.key_types.get(after.key_type))
                check_limits(doer, after.expires_at, after.ip_allow)
            await rows.put_key(after)
            await require_root_key(rows, before, at=at)
            await rows.append(
                doer.did(_action(before, after), at, team=after.team, key_id=after.id, **_detail(before, after))
            )
            return replace(after, revision=await rows.next_revision())

        return KeyView(await self._store.change(work), seen.last_used)


async def _still_there(rows: Transaction, seen: KeyRecord, actor: Actor) -> KeyRecord:
    record = await rows.key(seen.id)
    if record is None or record.is_deleted or not actor.may_see(record.team):
        raise NotFound("there is no such key")
    return record


def _action(before: KeyRecord, after: KeyRecord) -> str:
    if before.is_disabled is after.is_disabled:
        return "key.updated"
    return "key.disabled" if after.is_disabled else "key.enabled"


def _detail(before: KeyRecord, after: KeyRecord) -> dict[str, object]:
    named = {"key": after.name} if before.name == after.name else {}
    return {**named, **difference(before, after), AFTER: state_of_key(after)}
