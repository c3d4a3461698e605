"""Changes one key, in one transaction, which judges the policy and appends the audit event."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.management.actor import confirmed
from keyfob.management.escalation import check_escalation, check_limits, require_root_key, widens
from keyfob.management.key_changes import put_changed, still_there
from keyfob.management.key_limits import check_limit_change
from keyfob.management.owners import with_new_owner
from keyfob.store.contract.key_store import KeyView

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.management.authority import RoleAuthority
    from keyfob.management.idempotency import Once
    from keyfob.management.key_changes import Precondition
    from keyfob.management.key_listing import KeyListing
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction


class KeyEditor:
    """Makes keys what a function says."""

    def __init__(
        self,
        store: KeyStore,
        listing: KeyListing,
        catalogue: Catalogue,
        now: Callable[[], datetime],
        authority: RoleAuthority | None,
    ) -> None:
        self._store = store
        self._listing = listing
        self._catalogue = catalogue
        self._now = now
        self._authority = authority

    async def change(
        self,
        team_id: str,
        key_id: str,
        alter: Callable[[KeyRecord, datetime], KeyRecord],
        *,
        actor: Actor,
        precondition: Precondition | None = None,
        reason: str | None = None,
        needed: str = "keys:write",
        once: Once | None = None,
    ) -> KeyView:
        """Make the key what *alter* says, if that is something else than it is, and *once* if it may be asked again."""
        seen = await self._listing.one(team_id, key_id, actor=actor, needed=needed)

        async def work(rows: Transaction) -> KeyRecord:
            at = self._now()
            doer = await confirmed(actor, rows, needed, at=at)
            before = await still_there(rows, seen.record.id, doer)
            if once is not None:
                if await once.was_made(rows, at):
                    return before
                await once.save(rows, before.id, at)  # undone with the rest where what follows fails
            if precondition is not None:
                precondition(before.revision)
            return await self._altered(rows, before, alter(before, at), doer, at=at, reason=reason)

        return KeyView(await self._store.change(work), seen.last_used)

    async def _altered(
        self, rows: Transaction, before: KeyRecord, after: KeyRecord, actor: Actor, *, at: datetime, reason: str | None
    ) -> KeyRecord:
        if after == before:
            return before
        after = await with_new_owner(rows, before, after, self._authority, actor)
        check_limit_change(actor, before, after, self._catalogue, at=at)
        if widens(before, after):
            check_escalation(actor, after.permissions, self._catalogue.key_types.get(after.key_type))
            check_limits(actor, after.expires_at, after.ip_allow)
        await put_changed(rows, before, after, actor, at=at, reason=reason)
        await require_root_key(rows, before, at=at)
        return replace(after, revision=await rows.next_revision())
