"""The users of an application are kept as it describes them, and act in their team alone, away from admin keys."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Forbidden, Invalid, LastOwner, NotFound, OwnKeysOnly, PersonLeft, Tampered
from keyfob.management.actor import Actor, confirmed
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.key_listing import KeySearch
from keyfob.management.people.app_people import AppPeople, PageAuthority
from keyfob.people.app_person import AppPerson
from keyfob.people.record import Membership, Person
from keyfob.policy.roles import DEFAULT_ROLES, Role
from tests.keyfob.management.conftest import ROOT, START, Office

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfob.store.contract.transaction import Transaction

ANN = AppPerson("1", "Ann", "ann@example.com", "a", role="team_admin")


pytestmark = pytest.mark.both_engines


def people_of(office: Office) -> AppPeople:
    """The users of an application of *office*."""
    return AppPeople(office.store, office.authority, office.teams, office.clock)


def acting(office: Office, person: Person, team: str = "a") -> Actor:
    """Act as *person* on the page of *team*."""
    actor = PageAuthority(office.authority, team).actor(person, team, "192.0.2.8")
    assert actor is not None
    return actor


def writing(person: Person) -> Callable[[Transaction], Awaitable[None]]:
    """A change that writes *person*."""

    async def work(rows: Transaction) -> None:
        await rows.put_person(person)

    return work


async def test_an_empty_address_is_none(office: Office) -> None:
    """Frameworks write it so for whoever has none."""
    assert (await people_of(office).known(replace(ANN, email=""))).email is None


async def test_many_first_requests_make_one_person_and_one_team(office: Office) -> None:
    """Whoever is slower finds what the faster one made; both are recorded once."""
    new = replace(ANN, team="new", team_name="New")
    found = await asyncio.gather(*(people_of(office).known(new) for _ in range(6)))

    assert 1 == len({person.id for person in found})
    actions = [event.action for event in await office.events()]
    assert ["team.created", "person.joined"] == actions
    assert await office.store.team("new") is not None


async def test_a_deleted_team_is_not_made_again(office: Office) -> None:
    """Its id is never given again, whatever the application says, and nothing is recorded."""
    await office.teams.create("gone", actor=ROOT)
    await office.teams.delete("gone", actor=ROOT)
    before = await office.events()

    with pytest.raises(NotFound):
        await people_of(office).known(replace(ANN, team="gone", team_name="Gone"))

    assert before == await office.events()


async def test_an_address_is_nobody(office: Office) -> None:
    """Neither a local person's address nor another id with the same address makes two people one."""
    local = await office.person("ann@example.com", "owner")
    one, other = [await people_of(office).known(replace(ANN, id=known_by)) for known_by in ("1", "2")]

    assert 3 == len({local.id, one.id, other.id})
    assert not acting(office, one).acts_everywhere


async def test_a_role_that_a_person_gave_stands(office: Office) -> None:
    """The application's role counts until an administrator gives another; an owner's acts as a team admin's."""
    person = await people_of(office).known(replace(ANN, role="member"))
    assert acting(office, person).own_keys_only
    await office.people.set_role("a", person.id, "owner", actor=ROOT)

    person = await people_of(office).known(replace(ANN, role="member"))

    assert "owner" == person.role_in("a")
    actor = acting(office, person)
    assert frozenset(DEFAULT_ROLES["team_admin"].permissions) == actor.permissions
    assert not actor.acts_everywhere


async def test_what_the_application_changes_is_stored_and_recorded(office: Office) -> None:
    """Name, address and role follow the application, each change with its event; the same again changes nothing."""
    first = await people_of(office).known(ANN)
    later = replace(ANN, name="Anna", email="anna@example.com", role="auditor")
    for _ in range(2):
        await people_of(office).known(later)
    stored = await office.store.people.one(first.id)
    assert stored is not None

    assert ("Anna", "anna@example.com", "auditor") == (stored.name, stored.email, stored.role_in("a"))
    events = [(event.action, dict(event.detail)) for event in await office.events()]
    assert ["person.joined", "person.role_set", "person.updated"] == [action for action, _ in events]
    assert "auditor" == events[1][1]["role"]
    assert {"from": "Ann", "to": "Anna"} == events[2][1]["name"]


async def test_a_lower_role_ends_admin_keys_beyond_it(office: Office) -> None:
    """An admin key that an administrator gave to an application's user ends when the application lowers the role."""
    person = await people_of(office).known(ANN)
    await office.key(name="Root", key_type="admin", permissions=("*",))
    admin = await office.key(name="Admin", key_type="admin", permissions=("keys:write",))
    await office.keys.update("a", admin.key.id, {"owner": {"person": person.id}}, actor=ROOT)

    await people_of(office).known(replace(ANN, role="auditor"))

    assert (await office.keys.get("a", admin.key.id, actor=ROOT)).record.is_disabled


async def test_no_user_of_an_application_counts_as_the_last_owner(office: Office) -> None:
    """Whoever acts as a team admin on a page is no owner, whatever role somebody gave them."""
    owner = await office.person("olga@example.com", "owner")
    person = await people_of(office).known(ANN)
    await office.people.set_role("a", person.id, "owner", actor=ROOT)

    assert [owner.id] == [one.id for one in await office.store.people.owners()]
    with pytest.raises(LastOwner):
        await office.people.remove("a", owner.id, actor=ROOT)
    await office.people.remove("a", person.id, actor=ROOT)


async def test_other_memberships_open_nothing(office: Office) -> None:
    """A role in another team, or in every team, counts neither there nor here."""
    person = await people_of(office).known(replace(ANN, role="member"))
    wide = replace(person, memberships=(*person.memberships, Membership("b", "owner")))
    await office.store.change(writing(wide))
    now = await office.store.people.one(person.id)
    assert now is not None

    page = PageAuthority(office.authority, "a")

    assert page.actor(now, "b", None) is None
    assert acting(office, now).own_keys_only
    assert not acting(office, now).may_see("b")


async def test_a_role_for_every_team_stays_in_one(office: Office) -> None:
    """A role of the configuration that holds `teams:write` acts in the page's team, and finds no admin key."""
    super_role = Role("super", "Super", ("*",))
    authority = office.authority
    authority.roles = {**authority.roles, "super": super_role}
    person = await AppPeople(office.store, authority, office.teams, office.clock).known(replace(ANN, role="super"))
    actor = PageAuthority(authority, "a").actor(person, "a", None)
    assert actor is not None
    admin, other = await office.key(name="Root", key_type="admin", permissions=("*",)), await office.key("b")
    mine = await office.key()

    listed = await office.keys.list_keys(KeySearch(), actor=actor)

    assert ([mine.key.id], 1) == ([view.record.id for view in listed.items], listed.total)
    assert () == (await office.keys.list_keys(KeySearch("a", key_type="admin"), actor=actor)).items
    for team, key in (("a", admin.key.id), ("b", other.key.id)):
        for change in (office.keys.get, office.keys.disable, office.keys.delete):
            with pytest.raises(NotFound):
                await change(team, key, actor=actor)
    with pytest.raises(OwnKeysOnly):
        await office.keys.create("a", KeyDraft("Sly", key_type="admin", permissions=()), actor=actor)
    with pytest.raises(NotFound):
        await office.keys.duplicate("a", admin.key.id, {}, actor=actor)


async def test_confinement_holds_inside_the_transaction(office: Office) -> None:
    """Judged once more, the actor is as confined as before; somebody who left meanwhile holds nothing."""
    person = await people_of(office).known(replace(ANN, role="owner"))
    actor = acting(office, person)

    async def judged(rows: Transaction) -> Actor:
        return await confirmed(actor, rows, "keys:write", at=START)

    assert actor == await office.store.change(judged)
    await office.offboarding.run(person.id, keys="keep", actor=ROOT)
    with pytest.raises(Forbidden):
        await office.store.change(judged)
    with pytest.raises(PersonLeft):
        await people_of(office).known(ANN)


async def test_a_row_of_somebody_else_is_refused(office: Office) -> None:
    """A person whom Keyfob did not write is not built upon, and acts as nobody."""
    person = await people_of(office).known(ANN)
    strange = replace(office, signing_key=replace(office.signing_key, char="z"))

    assert PageAuthority(strange.authority, "a").actor(person, "a", None) is None
    with pytest.raises(Tampered):
        await people_of(strange).known(ANN)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": "a\nb"},
        {"id": 7},
        {"id": "x" * 201},
        {"name": ""},
        {"email": "ann"},
        {"team": "A"},
        {"role": "emperor"},
        {"plan": "gold"},
        {"team_name": "\x00"},
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused(office: Office, wrong: dict[str, object]) -> None:
    """`Invalid` says what is wrong, and no person is written."""
    with pytest.raises(Invalid):
        await people_of(office).known(replace(ANN, **wrong))  # type: ignore[arg-type] # that is the point

    assert [] == [event.action for event in await office.events()]
