"""Whom an actor can see and change, and which roles it can give: nobody gives, or takes from, more than they hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from keyfob.errors import ExceedsOwnLimits, ExceedsOwnPermissions, Invalid, NotFound, Tampered
from keyfob.management.audited_state import AFTER, state_of_person
from keyfob.people.record import Membership, Source

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from keyfob.audit import Event
    from keyfob.keys.record import Team
    from keyfob.management.actor import Actor
    from keyfob.management.authority import RoleAuthority
    from keyfob.people.record import Person
    from keyfob.policy.roles import Role
    from keyfob.store.contract.transaction import Transaction

WRITE: Final = "people:write"


async def visible_team(read: Callable[[str], Awaitable[Team | None]], team_id: str, actor: Actor) -> Team:
    """Read a team. Raises NotFound for one that *actor* cannot see."""
    team = await read(team_id) if actor.may_see(team_id) else None
    if team is None:
        raise NotFound("there is no such team")
    return team


async def visible_person(read: Callable[[str], Awaitable[Person | None]], person_id: str, actor: Actor) -> Person:
    """Read a person, whole. Raises NotFound for one without a membership that *actor* can see."""
    person = await read(person_id) if person_id.isascii() and person_id.isalnum() else None
    if person is None or not (actor.acts_everywhere or any(actor.may_see(one.team) for one in person.memberships)):
        raise NotFound("there is no such person")
    return person


async def invitable_person(rows: Transaction, person_id: str, team: str, actor: Actor) -> Person:
    """Read a person whom *actor*, who may invite to *team*, can invite again by id.

    A user of an application who has left is seen from the team of the application's.

    Raises:
        NotFound: there is none whom the actor can see.
        Invalid: the person has joined and not left, or is the user of an application in another team.
    """

    async def read(person_id: str) -> Person | None:
        person = await rows.person(person_id)
        if person is None or not person.has_left or person.source is not Source.APP:
            return person
        return replace(person, memberships=(Membership(person.subject.partition("/")[0], ""),))

    person = await visible_person(read, person_id, actor)
    if person.is_active:
        raise Invalid(("/id", "This person has joined and has not left"))
    if person.source is Source.APP and not person.subject.startswith(f"{team}/"):
        raise Invalid(("/team", "This person is known to the application in another team"))
    return await rows.person(person_id) or person


def limited(person: Person, actor: Actor) -> Person:
    """*person* with the memberships that *actor* can see."""
    seen = tuple(one for one in person.memberships if actor.may_see(one.team))
    return replace(person, memberships=seen)


def check_genuine(person: Person, authority: RoleAuthority) -> None:
    """Refuse to build on a row that Keyfob did not write. Raises Tampered."""
    if not authority.is_genuine(person):
        raise Tampered(
            "the row of this person was not written by Keyfob, or under a keyring entry that is gone; "
            "`keyfob audit verify` says more, and `keyfob people sign-in-link` restores it"
        )


def check_gives(actor: Actor, role: Role | None, authority: RoleAuthority) -> None:
    """Refuse to give or to take a role beyond what *actor* may hand on. A role that is not configured gives nothing.

    Raises:
        ExceedsOwnPermissions: names what is lacking.
        ExceedsOwnLimits: the actor's own key ends or is bound to addresses, and a membership is not.
    """
    if role is not None and (lacking := authority.exceeds(actor, role)):
        raise ExceedsOwnPermissions(lacking)
    if actor.expires_at is not None or actor.ip_allow:
        raise ExceedsOwnLimits("your own key expires or works only from some addresses, and a role does not")


def reaches(actor: Actor, person: Person, authority: RoleAuthority) -> bool:
    """Whether all memberships of *person* lie within the teams and the permissions of *actor*."""
    try:
        check_reaches(actor, person, authority)
    except (ExceedsOwnPermissions, ExceedsOwnLimits):
        return False
    return True


def check_reaches(actor: Actor, person: Person, authority: RoleAuthority) -> None:
    """Refuse what only somebody may do who is over *person* in every team.

    Raises:
        ExceedsOwnPermissions: the person belongs to a team that *actor* cannot see, or has a role beyond the actor's.
        ExceedsOwnLimits: the actor's own key ends or is bound to addresses.
    """
    for one in person.memberships:
        if not actor.may_see(one.team):
            raise ExceedsOwnPermissions(("teams:write",))
        check_gives(actor, authority.roles.get(one.role), authority)


def told_of(
    actor: Actor,
    action: str,
    at: datetime,
    person: Person,
    *,
    team: str | None,
    **detail: object,
) -> Event:
    """Describe what *actor* did to *person*, who is now as given."""
    told = {"person": person.name, "email": person.email, **detail, AFTER: state_of_person(person)}
    event = actor.did(action, at, team=team, key_id=None, **told)
    return replace(event, person_id=person.id)
