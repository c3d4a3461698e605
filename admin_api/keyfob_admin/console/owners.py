"""Who can own the keys of a team: the team itself, and the people who have a role in it.

A menu names few of them. Where there are more, one writes a name or an e-mail address.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from keyfob.errors import Invalid, NotFound
from keyfob.management.key_drafts import ABSENT, Absent
from keyfob.management.people.people import PeopleSearch
from keyfob_admin.console.humanize import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyfob.people.record import Person
    from keyfob_admin.console.page_request import PageRequest

TEAM: Final = "team"
MOST: Final = 50  # people in a menu
_MOST_NAMED: Final = 4  # people in a sentence


@dataclass(frozen=True, slots=True)
class Owners:
    """Possible owners by what stands for them in forms and addresses. *are_all* is false if somebody is left out."""

    named: Mapping[str, str]
    are_all: bool = True
    addresses: Mapping[str, str] = field(default_factory=dict)

    def written(self, chosen: str) -> str:
        """How the field for more people than a menu holds says whom *chosen* stands for."""
        return self.addresses.get(chosen) or self.named.get(chosen, chosen)


NO_CHOICE: Final = Owners({})


async def owners(page_request: PageRequest, also: str | None = None, most: int = MOST) -> Owners:
    """Name the possible owners: the team, at most *most* people, and *also*. Only the team for who sees no people."""
    found = {TEAM: _team(page_request)}
    if page_request.lacks("people:read") or page_request.actor.own_keys_only:
        return Owners(found)
    search = PeopleSearch(team=page_request.team.id, page_size=most)
    page = await page_request.runtime.people.list(search, actor=page_request.actor)
    people = {person.id: person for person in page.items}
    if page.next_token and also and also != TEAM and also not in people:
        people |= await _member(page_request, also)
    addresses = {person.id: person.email for person in people.values() if person.email}
    called = {key: _called(person) for key, person in people.items()}
    names = Counter([*found.values(), *called.values()])
    apart = {key: name if names[name] == 1 else f"{name} ({addresses.get(key, key)})" for key, name in called.items()}
    return Owners(found | apart, page.next_token is None, addresses)


async def new_owners(page_request: PageRequest) -> Owners:
    """Name the possible owners of a new key, whoever makes it among them; none where there is no choice."""
    maker = page_request.actor
    if maker.own_keys_only:
        return NO_CHOICE
    found = await owners(page_request)
    itself = {maker.owner_of_new_keys: maker.name} if maker.owner_of_new_keys else {}
    return Owners({**itself, **found.named}, found.are_all, found.addresses)


async def meant(page_request: PageRequest, text: str, at: str = "owner") -> str:
    """Find what stands for the owner whom *text* names: by name, e-mail address or id.

    Who sees no people can only give an id. Raises Invalid, with people to choose from, unless *text* means one of them.
    """
    text = text.strip()
    if text in {"", TEAM, page_request.actor.owner_of_new_keys} or page_request.lacks("people:read"):
        return text
    if text == _team(page_request):
        return TEAM  # as it is written in the field
    search = PeopleSearch(team=page_request.team.id, q=text[:200], page_size=MOST)
    found = (await page_request.runtime.people.list(search, actor=page_request.actor)).items
    folded = text.casefold()
    same = [person for person in found if folded in {person.id.casefold(), (person.email or "").casefold()}]
    same = same or [person for person in found if folded == person.name.casefold()]
    if len(same) == 1:
        return same[0].id
    raise Invalid((f"/{at}", _which(text, same or found, page_request.team.name)))


def owner_of(chosen: str) -> str | Absent | None:
    """What a new key's draft says of its owner."""
    return ABSENT if not chosen else None if chosen == TEAM else chosen


def owner_patch(chosen: str, before: str | None) -> dict[str, object]:
    """Give the member of a merge patch for another owner than *before*; nothing where it stays."""
    if not chosen or chosen == (before or TEAM):
        return {}
    return {"owner": TEAM if chosen == TEAM else {"person": chosen}}


async def _member(page_request: PageRequest, person_id: str) -> dict[str, Person]:
    try:
        person = await page_request.runtime.people.get(person_id, actor=page_request.actor)
    except NotFound:
        return {}
    return {person.id: person} if person.role_in(page_request.team.id) else {}


def _team(page_request: PageRequest) -> str:
    return f"{page_request.team.name} team"


def _called(person: Person) -> str:
    return person.name or person.email or person.id


def _which(text: str, found: Sequence[Person], team: str) -> str:
    """Say that *text* is not enough, with some of those whom it could stand for."""
    if not found:
        return f"Nobody in {team} has the name or e-mail address '{text[:200]}'"
    shown = sorted(f"{_called(person)} ({person.email or person.id})" for person in found[:_MOST_NAMED])
    more = ["others"] if len(found) > _MOST_NAMED else []
    return f"'{text[:200]}' could be {listed([*shown, *more], 'or')}. Enter an e-mail address"
