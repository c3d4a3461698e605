"""The users of an application that shows them the Keys page: found or made from what the application says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Invalid, PersonLeft, TeamExists
from keyfob.errors.suggestions import did_you_mean
from keyfob.keys.format import new_key_id
from keyfob.management.actor import Actor
from keyfob.management.people.departures import carry_out
from keyfob.management.people.people_reach import check_genuine, told_of
from keyfob.management.validation import clean_email, clean_name, clean_team_id
from keyfob.people.record import GivenBy, Membership, Person, PersonState, Source
from keyfob.policy.roles import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from keyfob.management.authority import RoleAuthority
    from keyfob.management.teams import Teams
    from keyfob.people.app_person import AppPerson
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

TEAM_ADMIN: Final = "team_admin"
PERSON_ID_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class PageAuthority:
    """What a user of an application may do on its Keys page: in *team* alone, and never with admin keys."""

    authority: RoleAuthority
    team: str

    def actor(self, person: Person | None, team: str | None, ip: str | None) -> Actor | None:
        """*person* as it acts in *team*; None if it may not act there."""
        if person is None or team != self.team or person.source is not Source.APP:
            return None
        if not person.is_active or not self.authority.is_genuine(person):
            return None
        role = self.authority.roles.get(acting_role(person.role_in(team) or ""))
        if role is None:
            return None
        return replace(self.authority.acting(person, role, team, ip), is_confined=True, authority=self)


def acting_role(name: str) -> str:
    """The role that counts for a user whom the application calls *name*: nobody is made an owner by an application."""
    return TEAM_ADMIN if name == OWNER else name


class AppPeople:
    """Keeps an application's users and their teams as the application describes them."""

    def __init__(self, store: KeyStore, authority: RoleAuthority, teams: Teams, now: Callable[[], datetime]) -> None:
        self._store = store
        self._authority = authority
        self._teams = teams
        self._now = now

    async def known(self, given: AppPerson) -> Person:
        """Give the person and the team that *given* describes, made or changed where they are not so yet.

        Raises:
            Invalid: what the application says is not acceptable, first of all an unknown role or plan.
            NotFound: the team was deleted; its id is never given again.
            PersonLeft: the person has left, and only an administrator brings them back.
            Tampered: Keyfob did not write the person's row.
        """
        wanted = self.wanted(given)
        await self._team(given)
        person = await self._store.people.of_subject(Source.APP, wanted.subject)
        if person is not None and self._authority.is_genuine(person) and _after(person, wanted) == person:
            return _allowed(person)

        async def work(rows: Transaction) -> Person:
            return await self.put(rows, wanted, Actor.system(), self._now())

        return await self._store.change(work)

    def wanted(self, given: AppPerson) -> Person:
        """The person as it is to be, with an id for the case that it is new. Raises Invalid."""
        known_by: object = given.id
        if not isinstance(known_by, str) or not known_by.isprintable() or not 0 < len(known_by) <= PERSON_ID_LENGTH:
            raise Invalid(("/id", f"The id of a person must be a text of 1 to {PERSON_ID_LENGTH} printable characters"))
        team = clean_team_id(given.team, pointer="/team")
        role = acting_role(given.role)
        if role not in self._authority.roles:
            shown = str(role)[:60]
            raise Invalid(("/role", f"There is no role {shown}{did_you_mean(shown, self._authority.roles)}"))
        return Person(
            new_key_id(),
            Source.APP,
            f"{team}/{given.id}",
            clean_email(given.email) if given.email else None,  # Django, for one, has "" for none
            clean_name(given.name, cut=self._authority.catalogue.cut_foreign),
            PersonState.ACTIVE,
            self._now(),
            memberships=(Membership(team, role, GivenBy.APP),),
        )

    async def _team(self, given: AppPerson) -> None:
        """Make the team, or bring its name and its plan up to date. Raises NotFound if it was deleted."""
        said = {"name": given.team_name, "plan": given.plan}
        patch = {field: value for field, value in said.items() if value is not None}
        team = await self._store.team(given.team)
        if team is None:
            try:
                await self._teams.create(given.team, given.team_name, given.plan, actor=Actor.system())
            except TeamExists:  # another request of the same team was faster, or the team was deleted
                await self._teams.get(given.team, actor=Actor.system())
                return await self._team(given)
        elif any(getattr(team, field) != value for field, value in patch.items()):
            await self._teams.update(given.team, patch, actor=Actor.system())
        return None

    async def put(self, rows: Transaction, wanted: Person, doer: Actor, at: datetime) -> Person:
        """Insert or change the person, and record it in the audit log. Raises PersonLeft and Tampered."""
        team = wanted.memberships[0].team
        before = await rows.person_of_subject(Source.APP, wanted.subject)
        if before is None:
            await rows.put_person(wanted)
            role = wanted.role_in(team)
            await rows.append(told_of(doer, "person.joined", at, wanted, team=team, role=role))
            return await _written(rows, wanted)
        check_genuine(before, self._authority)
        after = _after(_allowed(before), wanted)
        if after == before:
            return before
        await rows.put_person(after)
        if after.role_in(team) != before.role_in(team):
            role = after.role_in(team)
            await rows.append(told_of(doer, "person.role_set", at, after, team=team, role=role))
        if told := _differing(before, after):
            await rows.append(told_of(doer, "person.updated", at, after, team=team, **told))
        await carry_out(rows, after, (), self._authority, doer, at=at)
        return await _written(rows, after)


async def _written(rows: Transaction, person: Person) -> Person:
    """*person* as it is stored now, with its seal."""
    return await rows.person(person.id) or person


def _allowed(person: Person) -> Person:
    """*person*, unless it has left. Raises PersonLeft."""
    if person.has_left:
        raise PersonLeft("this person has left")
    return person


def _after(before: Person, wanted: Person) -> Person:
    """*before* as the application describes it now. A role that a person gave stands, and so does having left."""
    if before.has_left:
        return before
    given = wanted.memberships[0]
    stands = any(one.team == given.team and one.by is GivenBy.PERSON for one in before.memberships)
    memberships = before.memberships if stands else before.with_membership(given)
    return replace(before, name=wanted.name, email=wanted.email, state=PersonState.ACTIVE, memberships=memberships)


def _differing(before: Person, after: Person) -> dict[str, Any]:
    """What differs besides the role, for the audit log."""
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in ("name", "email", "state")}
    return {name: {"from": old, "to": new} for name, (old, new) in pairs.items() if old != new}
