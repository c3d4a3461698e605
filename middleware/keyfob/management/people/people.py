"""People: who belongs to which team with which role. Each change is one transaction, judged and audited like all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Invalid, NotFound, PersonLeft
from keyfob.errors.suggestions import did_you_mean
from keyfob.keys.format import new_key_id
from keyfob.management.actor import confirmed
from keyfob.management.pagination import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    Page,
    read_number,
    read_text,
    read_token,
    write_token,
)
from keyfob.management.people.departures import carry_out, require_owner
from keyfob.management.people.people_reach import (
    WRITE,
    check_genuine,
    check_gives,
    check_reaches,
    invitable_person,
    limited,
    reaches,
    told_of,
    visible_person,
    visible_team,
)
from keyfob.management.people.person_links import INVITATION_LASTS
from keyfob.management.validation import clean_email, clean_name
from keyfob.people.record import GivenBy, Membership, Person, PersonState, Source, folded_email
from keyfob.store.contract.people import PeopleQuery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from keyfob.management.actor import Actor
    from keyfob.management.authority import RoleAuthority
    from keyfob.management.people.person_links import Invitation, PersonLinks
    from keyfob.policy.roles import Role
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

READ: Final = "people:read"
_LISTING: Final = "people"


@dataclass(frozen=True, slots=True)
class PeopleSearch:
    """Which people to list. Numbers may still be text from a query string."""

    team: str | None = None
    q: str | None = None
    state: str | None = None
    page_size: int | str = DEFAULT_PAGE
    page_token: str | None = None
    role: str | None = None  # in *team*


class People:
    """Shows, invites and changes people.

    Every verb raises `Forbidden` for a missing permission, then `NotFound` for a team or person that the actor cannot
    see. People are shown with the memberships that the actor can see, and no others.
    """

    def __init__(
        self,
        store: KeyStore,
        authority: RoleAuthority,
        links: PersonLinks,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._authority = authority
        self._clean_name = partial(clean_name, cut=authority.catalogue.cut_foreign)
        self._links = links
        self._now = now

    @property
    def roles(self) -> Mapping[str, Role]:
        """The roles by name."""
        return self._authority.roles

    async def list(self, search: PeopleSearch, *, actor: Actor) -> Page[Person]:
        """One page of the people in the actor's team, or in all teams, by name. Raises Invalid."""
        actor.demand(READ)
        team = search.team if search.team is not None or actor.acts_everywhere else actor.team
        if team is not None:
            await visible_team(self._store.team, team, actor)
        if search.state is not None and search.state not in list(PersonState):
            raise Invalid(("/state", f"There is no state {search.state[:60]}{did_you_mean(search.state, PersonState)}"))
        most = read_number(search.page_size, "page_size", most=LARGEST_PAGE)
        after = read_token(search.page_token, listing=_LISTING, kinds=(str, str)) if search.page_token else None
        query = PeopleQuery(
            team=team,
            role=search.role,
            state=search.state,
            q=(read_text(search.q, "q").strip() or None) if search.q else None,
            limit=most + 1,
            after=None if after is None else (str(after[0]), str(after[1])),
        )
        found = await self._store.people.many(query)
        shown = tuple(limited(person, actor) for person in found[:most])
        return Page(shown, write_token(_LISTING, shown[-1].name, shown[-1].id) if len(found) > most else None)

    async def get(self, person_id: str, *, actor: Actor) -> Person:
        """Look at one person."""
        actor.demand(READ)
        return limited(await visible_person(self._store.people.one, person_id, actor), actor)

    async def invite(self, email: object, *, team: str, role: str, name: str | None = None, actor: Actor) -> Invitation:
        """Give *role* in *team* to whoever has the address *email*, with a link to set a passphrase.

        A person who is known already gets the membership; a link only if the actor could do anything to that person.

        Raises:
            Invalid, ExceedsOwnPermissions, ExceedsOwnLimits, LastAdmin, LastOwner
        """
        actor.demand(WRITE)
        await visible_team(self._store.team, team, actor)
        address = clean_email(email)
        called = self._clean_name(address if name is None else name)

        async def whom(rows: Transaction, _: Actor) -> Person:
            new = Person(
                new_key_id(), Source.LOCAL, folded_email(address), address, called, PersonState.INVITED, self._now()
            )
            return await _known(rows, address) or new

        return await self._invite(whom, team, role, actor)

    async def invite_again(self, person_id: str, *, team: str, role: str, actor: Actor) -> Invitation:
        """Give *role* in *team* to somebody who has left, or who has not joined yet, from whatever source.

        Raises:
            Invalid, ExceedsOwnPermissions, ExceedsOwnLimits, LastAdmin, LastOwner
        """

        async def whom(rows: Transaction, doer: Actor) -> Person:
            return await invitable_person(rows, person_id, team, doer)

        return await self._invite(whom, team, role, actor)

    async def _invite(
        self, whom: Callable[[Transaction, Actor], Awaitable[Person]], team: str, role: str, actor: Actor
    ) -> Invitation:
        actor.demand(WRITE)
        await visible_team(self._store.team, team, actor)
        given = self._role(role)

        async def work(rows: Transaction) -> Invitation:
            at = self._now()
            doer = await confirmed(actor, rows, WRITE, at=at)
            await visible_team(rows.team, team, doer)
            check_gives(doer, given, self._authority)
            person = await whom(rows, doer)
            by = GivenBy.APP if person.source is Source.APP else GivenBy.PERSON
            membership = Membership(team, given.name, by)
            if not person.sealed_by:  # a new one
                needs_link = True
                person = replace(person, memberships=(membership,))
                await rows.put_person(person)
            else:
                check_genuine(person, self._authority)
                needs_link = person.source is Source.LOCAL and reaches(doer, person, self._authority)
                person = await self._with_role(rows, person, membership, doer, at)
            await rows.append(told_of(doer, "person.invited", at, person, team=team, role=given.name))
            return await self._links.invitation(rows, person, at, INVITATION_LASTS if needs_link else None, doer)

        return await self._store.change(work)

    async def set_role(self, team: str, person_id: str, role: str, *, actor: Actor) -> Person:
        """Give the person *role* in *team*, in place of the one that it has there.

        Raises:
            Invalid, ExceedsOwnPermissions, ExceedsOwnLimits, LastAdmin, LastOwner, PersonLeft
        """
        actor.demand(WRITE)
        await visible_team(self._store.team, team, actor)
        await visible_person(self._store.people.one, person_id, actor)
        given = self._role(role)

        async def work(rows: Transaction) -> Person:
            at = self._now()
            doer = await confirmed(actor, rows, WRITE, at=at)
            await visible_team(rows.team, team, doer)
            before = await visible_person(rows.person, person_id, doer)
            check_genuine(before, self._authority)
            check_gives(doer, given, self._authority)
            if before.has_left:
                raise PersonLeft("this person has left; invite them again")
            if before.role_in(team) == given.name:
                return limited(before, doer)
            after = await self._with_role(rows, before, Membership(team, given.name), doer, at)
            await rows.append(told_of(doer, "person.role_set", at, after, team=team, role=given.name))
            return limited(after, doer)

        return await self._store.change(work)

    async def remove(self, team: str, person_id: str, *, actor: Actor) -> None:
        """End the person's membership in *team*. Raises ExceedsOwnPermissions, LastAdmin, LastOwner."""
        actor.demand(WRITE)
        await visible_team(self._store.team, team, actor)

        async def work(rows: Transaction) -> None:
            at = self._now()
            doer = await confirmed(actor, rows, WRITE, at=at)
            await visible_team(rows.team, team, doer)
            before = await visible_person(rows.person, person_id, doer)
            check_genuine(before, self._authority)
            role = before.role_in(team)
            if role is None:
                raise NotFound("this person is no member of the team")
            check_gives(doer, self.roles.get(role), self._authority)
            after = replace(before, memberships=before.without_team(team))
            await rows.put_person(after)
            await rows.void_links(after.id)
            await require_owner(rows, before, self._authority)
            await rows.append(told_of(doer, "person.removed", at, after, team=team, role=role))
            await carry_out(rows, after, {team}, self._authority, doer, at=at)

        await self._store.change(work)

    async def update(self, person_id: str, patch: Mapping[str, object], *, actor: Actor) -> Person:
        """Apply a merge patch to ``name`` and ``email``; only for people whom the actor reaches in every team.

        Raises:
            Invalid, ExceedsOwnPermissions
        """
        actor.demand(WRITE)
        await visible_person(self._store.people.one, person_id, actor)
        cleaners: dict[str, Callable[[object], str]] = {"name": self._clean_name, "email": clean_email}
        if unknown := [field[:60] for field in patch if field not in cleaners]:
            raise Invalid(*((f"/{name}", "There is no such field, or it can't be set") for name in unknown))
        changes: dict[str, Any] = {name: cleaners[name](value) for name, value in patch.items()}

        async def work(rows: Transaction) -> Person:
            at = self._now()
            doer = await confirmed(actor, rows, WRITE, at=at)
            before = await visible_person(rows.person, person_id, doer)
            check_genuine(before, self._authority)
            check_reaches(doer, before, self._authority)
            after = replace(before, **changes)
            if after == before:
                return limited(before, doer)
            if after.email != before.email:
                after = await _with_subject(rows, after)
            await rows.put_person(after)
            told = {name: {"from": getattr(before, name), "to": value} for name, value in changes.items()}
            await rows.append(told_of(doer, "person.updated", at, after, team=None, **told))
            return limited(after, doer)

        return await self._store.change(work)

    def _role(self, name: str) -> Role:
        if name not in self.roles:
            raise Invalid(("/role", f"There is no role {name[:60]}{did_you_mean(name[:60], self.roles)}"))
        return self.roles[name]

    async def _with_role(
        self, rows: Transaction, before: Person, membership: Membership, doer: Actor, at: datetime
    ) -> Person:
        """Give *before* the membership. It voids older links, so that none of them opens more than it was made for."""
        held = before.role_in(membership.team)
        if held is not None:
            check_gives(doer, self.roles.get(held), self._authority)
        after = replace(before, memberships=before.with_membership(membership))
        if before.has_left:
            after = replace(after, state=PersonState.INVITED, passphrase=None)
        await rows.put_person(after)
        await rows.void_links(after.id)
        await require_owner(rows, before, self._authority)
        await carry_out(rows, after, (), self._authority, doer, at=at)
        return after


async def _known(rows: Transaction, email: str) -> Person | None:
    """The person whom an invitation to *email* means: a local one before others, never an application's own user."""
    found = [person for person in await rows.people_of_email(email) if person.source is not Source.APP]
    return min(found, key=lambda person: list(Source).index(person.source), default=None)


async def _with_subject(rows: Transaction, person: Person) -> Person:
    """*person*, who has another e-mail address now, known by it. The links that were sent to the old one are void."""
    if person.source is not Source.LOCAL:
        raise Invalid(("/email", f"The address of this person comes from where they sign in ({person.source})"))
    subject = folded_email(person.email)
    other = await rows.person_of_subject(Source.LOCAL, subject)
    if other is not None and other.id != person.id:
        raise Invalid(("/email", "There is somebody with this e-mail address already"))
    await rows.void_links(person.id)
    return replace(person, subject=subject)
