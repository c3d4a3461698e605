"""What another plan does to a team's keys, with numbers, before it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob.management.keys import KeySearch
from keyfob_admin.console import humanize
from keyfob_admin.console.consequences import used_today

if TYPE_CHECKING:
    from keyfob.policy.catalogue import KeyType
    from keyfob_admin.console.page_request import PageRequest

_MOST: Final = 1000  # keys that are looked at to count those used today


async def effects(page_request: PageRequest, plan: str) -> list[str]:
    """Say which keys stop working, and which work again, once the team has *plan*.

    Empty if no key does, or none may be seen.
    """
    catalogue, before = page_request.runtime.catalogue, page_request.team.plan
    said: list[str] = []
    if page_request.lacks("keys:read"):
        return said
    for name, key_type in catalogue.key_types.items():
        was_off, will_be_off = catalogue.suspends(before, name), catalogue.suspends(plan, name)
        if will_be_off and not was_off:
            said += await _stopping(page_request, key_type)
        if was_off and not will_be_off:
            said += await _returning(page_request, key_type)
    return said


async def _stopping(page_request: PageRequest, key_type: KeyType) -> list[str]:
    total, used = await _active(page_request, key_type)
    if not total:
        return []
    verb = "stops" if total == 1 else "stop"
    return [f"{humanize.counted(total, key_type.label)} {verb} working now. {humanize.used_today(used)}"]


async def _returning(page_request: PageRequest, key_type: KeyType) -> list[str]:
    search = KeySearch(team=page_request.team.id, key_type=key_type.name, state="suspended", page_size=1)
    total = (await page_request.runtime.lifecycle.list_keys(search, actor=page_request.actor)).total or 0
    verb = "works" if total == 1 else "work"
    return [f"{humanize.counted(total, key_type.label)} {verb} again."] if total else []


async def _active(page_request: PageRequest, key_type: KeyType) -> tuple[int, int]:
    """How many active keys of *key_type* there are, and how many of them were used today."""
    search = KeySearch(
        team=page_request.team.id,
        key_type=key_type.name,
        state="active",
        order_by="-last_used_at",
        page_size=_MOST,
    )
    page = await page_request.runtime.lifecycle.list_keys(search, actor=page_request.actor)
    return page.total or 0, used_today(page.items, page_request)
