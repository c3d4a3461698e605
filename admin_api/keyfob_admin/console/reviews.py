"""What stands above the list of keys: how many should be reviewed, and the search behind each number."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import Invalid
from keyfob.management.keys import KeySearch
from keyfob_admin.console.review_counts import Counted, Review

if TYPE_CHECKING:
    from keyfob_admin.console.page_request import PageRequest

UNUSED: Final = timedelta(days=90)
SOON: Final = timedelta(days=30)
_REVIEWS: Final = {
    "expiring": ("expires in 30 days", "expire in 30 days"),
    "unused": ("unused for 90 days", "unused for 90 days"),
    "left": ("owner left", "owners left"),
    "lasting": ("never expires", "never expire"),
}
_NO_DATE: Final = datetime(9999, 12, 31, tzinfo=UTC)  # only what never expires does so after it
_KEPT: Final = timedelta(minutes=1)  # counting thousands of keys takes longer than listing fifty
_MOST_KEPT: Final = 1000  # teams


def reviewed(name: str | None, page_request: PageRequest) -> KeySearch:
    """Return the search behind one of the links above the table; all of the team's keys for none of them."""
    everything, now = KeySearch(team=page_request.team.id), page_request.now
    match name:
        case None:
            return everything
        case "expiring":
            return replace(everything, state="active", expires_after=now, expires_before=now + SOON)
        case "unused":
            return replace(everything, state="active", unused_since=now - UNUSED)
        case "left":
            roles = page_request.runtime.people.roles.values()
            wide = tuple(role.name for role in roles if role.acts_everywhere)
            return replace(everything, state="active", left_owners=wide)
        case "lasting":
            return replace(everything, state="active", expires_after=_NO_DATE)
        case _:
            raise Invalid(("review", "there is no such list"))


async def reviews(page_request: PageRequest) -> tuple[Review, ...]:
    """Count what needs review, again after each change and each minute; what there is none of is not said.

    A key's change raises the revision. Somebody who leaves raises it only if a key is disabled; the audit log has both.
    """
    kept, freshness, actor = page_request.console.counted, page_request.runtime.freshness, page_request.actor
    if not freshness.is_current():
        await freshness.refresh()
    whose = (page_request.team.id, actor.id if actor.own_keys_only else None)
    changes = (freshness.revision, (await page_request.runtime.store.audit_head())[0])
    before = kept.get(whose)
    if before and before.changes == changes and page_request.now - before.at < _KEPT:
        return before.reviews
    counted = Counted(await _count(page_request), changes, page_request.now)
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[whose] = counted
    return counted.reviews


async def _count(page_request: PageRequest) -> tuple[Review, ...]:
    found = []
    for name, said in _REVIEWS.items():
        listing, search = page_request.runtime.lifecycle.listing, reviewed(name, page_request)
        count = await listing.count(search, actor=page_request.actor)
        found.append(Review(name, said[count != 1], count))
    return tuple(review for review in found if review.count)
