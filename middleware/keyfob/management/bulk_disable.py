"""Disabling many keys of a team in one transaction: those that are named, or those that a filter finds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.errors import Invalid, NotFound
from keyfob.keys.format import key_id_of
from keyfob.management.actor import confirmed
from keyfob.management.escalation import require_root_key
from keyfob.management.key_changes import put_changed
from keyfob.management.validation import clean_reason
from keyfob.store.contract.key_store import KeyView

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.management.key_listing import KeyListing, KeySearch
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

MOST_KEYS = 1000  # in one call; a transaction holds up every other change


class BulkDisable:
    """Disables many keys, all or none."""

    def __init__(
        self,
        store: KeyStore,
        listing: KeyListing,
        now: Callable[[], datetime],
        prefix: str,
        cut: Callable[[str], str] = str,
    ) -> None:
        """*cut* takes keys of other products out of a reason."""
        self._store = store
        self._listing = listing
        self._now = now
        self._prefix = prefix
        self._cut = cut

    async def run(
        self,
        team_id: str,
        *,
        ids: Collection[str] | None = None,
        search: KeySearch | None = None,
        dry_run: bool = False,
        reason: str | None = None,
        actor: Actor,
    ) -> list[KeyView]:
        """Disable the keys *ids* of the team, or those that *search* finds, and return them as they are then.

        A key that is disabled already stays as it is, and is returned as well. With *dry_run* nothing is changed.

        Raises:
            Forbidden, LastAdmin
            NotFound: the team, or one of *ids*, is not there or not to be seen.
            Invalid: too many keys, or *ids* names none; neither *ids* nor *search*, or both; or *search*
                finds every key.
        """
        actor.demand("keys:write")
        _check_choice(ids, search)
        told = clean_reason(reason, cut=self._cut)
        await self._listing.demand_team(team_id, actor)
        views = await self._named(team_id, ids, actor) if ids is not None else await self._found(search, actor)
        if dry_run or not views:
            return views

        async def work(rows: Transaction) -> dict[str, KeyRecord]:
            at = self._now()
            doer = await confirmed(actor, rows, "keys:write", at=at)
            found = [view.record.id for view in views]
            return await _disable(rows, found, team_id, doer, at=at, reason=told)

        after = await self._store.change(work)
        return [KeyView(after[view.record.id], view.last_used) for view in views if view.record.id in after]

    async def _named(self, team_id: str, ids: Collection[str], actor: Actor) -> list[KeyView]:
        _check_count(len(ids))
        views: dict[str, KeyView] = {}
        for written in ids:
            plain = key_id_of(written, self._prefix)
            view = await self._store.view(plain) if plain is not None else None
            if view is None or view.record.team != team_id or not actor.may_see_key(view.record):
                raise NotFound("there is no such key")
            views[view.record.id] = view
        return list(views.values())

    async def _found(self, search: KeySearch | None, actor: Actor) -> list[KeyView]:
        assert search is not None  # noqa: S101 - `run` has looked
        try:
            page = await self._listing.many(replace(search, page_size=MOST_KEYS), actor=actor)
        except Invalid as wrong:
            raise wrong.below("filter") from None
        _check_count(page.total or 0, "/filter")
        return list(page.items)


def _check_choice(ids: Collection[str] | None, search: KeySearch | None) -> None:
    if (ids is None) == (search is None):
        raise Invalid(("/ids", "Give either ids or a filter"))
    if ids is not None and not ids:
        raise Invalid(("/ids", "Name at least one key"))
    if search is not None and search.is_empty:
        raise Invalid(("/filter", "A filter must name a condition; to disable every key, name their ids"))


def _check_count(count: int, pointer: str = "/ids") -> None:
    if count > MOST_KEYS:
        raise Invalid((pointer, f"These are {count:,} keys; at most {MOST_KEYS:,} can be disabled at a time"))


async def _disable(
    rows: Transaction, ids: Collection[str], team_id: str, doer: Actor, *, at: datetime, reason: str | None
) -> dict[str, KeyRecord]:
    """Disable what is still there and enabled. A key that was deleted meanwhile is left out."""
    after: dict[str, KeyRecord] = {}
    changed: list[KeyRecord] = []
    for key_id in ids:
        before = await rows.key(key_id)
        if before is None or before.is_deleted or before.team != team_id or not doer.may_see_key(before):
            continue
        after[key_id] = before
        if not before.is_disabled:
            after[key_id] = replace(before, disabled_at=at)
            await put_changed(rows, before, after[key_id], doer, at=at, reason=reason)
            changed.append(before)
    await require_root_key(rows, *changed, at=at)
    if changed:
        revision = await rows.next_revision()
        after |= {key.id: replace(after[key.id], revision=revision) for key in changed}
    return after
