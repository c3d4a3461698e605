"""Who can own the keys of a team: the team itself, and the people who have a role in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob.management.key_drafts import ABSENT, Absent
from keyfob.management.people import PeopleSearch

if TYPE_CHECKING:
    from keyfob_admin.console.page_request import PageRequest

TEAM: Final = "team"
_MOST: Final = 200  # people in a menu


async def owners(page_request: PageRequest) -> dict[str, str]:
    """Name the possible owners by what stands for them in forms and addresses; only the team for who sees no people."""
    found = {TEAM: f"{page_request.team.name} team"}
    if page_request.lacks("people:read") or page_request.actor.own_keys_only:
        return found
    search = PeopleSearch(team=page_request.team.id, page_size=_MOST)
    page = await page_request.runtime.people.list(search, actor=page_request.actor)
    return found | {person.id: person.name or person.email or person.id for person in page.items}


async def new_owners(page_request: PageRequest) -> dict[str, str]:
    """Name the possible owners of a new key, whoever makes it among them; none where there is no choice."""
    maker = page_request.actor
    if maker.own_keys_only:
        return {}
    itself = {maker.owner_of_new_keys: maker.name} if maker.owner_of_new_keys else {}
    return itself | await owners(page_request)


def owner_of(chosen: str) -> str | Absent | None:
    """What a new key's draft says of its owner."""
    return ABSENT if not chosen else None if chosen == TEAM else chosen


def owner_patch(chosen: str, before: str | None) -> dict[str, object]:
    """Give the member of a merge patch for another owner than *before*; nothing where it stays."""
    if not chosen or chosen == (before or TEAM):
        return {}
    return {"owner": TEAM if chosen == TEAM else {"person": chosen}}
