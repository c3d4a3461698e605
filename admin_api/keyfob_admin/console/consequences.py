"""What a change will do, said before it is made: with numbers, and refused beforehand where it will be refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Final

from keyfob.management.escalation import is_root
from keyfob.management.people.departures import ends_by_role
from keyfob.people.record import Membership
from keyfob.policy.key_types import ADMIN
from keyfob.store.contract.key_store import KeyQuery
from keyfob_admin.console import humanize

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from keyfob.keys.record import KeyRecord
    from keyfob.store.contract.key_store import KeyView
    from keyfob_admin.console.page_request import PageRequest

OWN_KEY: Final = (
    "This is the key you are signed in with. You will be signed out, and only another admin can enable it again."
)
LAST_ADMINS: Final = "No admin key that may do everything would be left. Create another one before you disable these."
LAST_ADMIN: Final = "This is the last admin key that may do everything. Create another one before you disable it."
_MOST_ROOTS: Final = 200  # of more, it is not said beforehand which may not go
_MOST_OWNED: Final = 1000


async def disabling(page_request: PageRequest, view: KeyView) -> str:
    """What disabling does, and when: immediately where all workers read one change signal."""
    used = view.last_used
    place = f" from {used.ip}" if used and used.ip else ""
    last = f"Last used {humanize.ago(used.at, page_request.now)}{place}." if used else "It was never used."
    what = f"Requests that present this key get 401 Unauthorized {await when(page_request)}. {last}"
    if page_request.actor.id == view.record.id:
        return f"{OWN_KEY} {what}"
    return f"{what} You can enable it again at any time."


async def when(page_request: PageRequest) -> str:
    """From when on a change is in force."""
    delay = await page_request.runtime.seconds_until_effective()
    return f"within {humanize.seconds(delay)}" if delay else "from now on"


def used_today(views: Iterable[KeyView], page_request: PageRequest) -> int:
    """How many of *views* were used since midnight, UTC."""
    midnight = datetime.combine(page_request.now.astimezone(UTC).date(), time(), UTC)
    return sum(view.last_used is not None and view.last_used.at >= midnight for view in views)


async def why_not_disable(page_request: PageRequest, record: KeyRecord) -> str | None:
    """Why the key cannot be disabled: it is the last one that may do everything. None if it can."""
    return LAST_ADMIN if await all_roots(page_request, [record]) else None


async def all_roots(page_request: PageRequest, records: Collection[KeyRecord]) -> frozenset[str]:
    """Name the admin keys that may do everything, if there is none beside those of *records*; else nothing."""
    now = page_request.now
    if not any(record.key_type == ADMIN and is_root(record, now, retired=()) for record in records):
        return frozenset()
    query = KeyQuery(team=None, now=now, key_type=ADMIN, permission="*", state="active", limit=_MOST_ROOTS)
    known = [view.record for view in await page_request.runtime.store.views(query)]
    roots = frozenset(record.id for record in known if is_root(record, now, retired=()))
    is_all = len(known) < _MOST_ROOTS and roots <= {record.id for record in records}
    return roots if is_all else frozenset()


async def admin_keys_ending(page_request: PageRequest, person_id: str, role: str) -> int:
    """How many admin keys of the person end with *role* in the team, as far as the visitor may see keys."""
    runtime, actor = page_request.runtime, page_request.actor
    person = await runtime.store.people.one(person_id)
    if person is None or role not in runtime.people.roles or page_request.lacks("keys:read"):
        return 0
    after = replace(person, memberships=person.with_membership(Membership(page_request.team.id, role)))
    query = KeyQuery(team=None, now=page_request.now, owner=person_id, key_type=ADMIN, limit=_MOST_OWNED)
    owned = [view.record for view in await runtime.store.views(query) if actor.may_see_key(view.record)]
    return sum(ends_by_role(key, after, runtime.authority) for key in owned)
