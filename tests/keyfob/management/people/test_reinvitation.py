"""Whoever has left comes back by an invitation alone, from whatever source, and lists of people come in pages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ExceedsOwnPermissions, Invalid, NotFound, PersonLeft
from keyfob.management.people.app_people import AppPeople
from keyfob.management.people.people import PeopleSearch
from keyfob.people.app_person import AppPerson
from keyfob.people.record import GivenBy, Membership, PersonState
from tests.keyfob.management.conftest import ROOT

if TYPE_CHECKING:
    from keyfob.people.record import Person
    from keyfob.store.contract.transaction import Transaction
    from tests.keyfob.management.conftest import Office

ANN = AppPerson("1", "Ann", "ann@example.com", "a")

pytestmark = pytest.mark.both_engines


def users_of(office: Office) -> AppPeople:
    return AppPeople(office.store, office.authority, office.teams, office.clock)


async def left(office: Office) -> Person:
    """The user of an application who was offboarded."""
    person = await users_of(office).known(ANN)
    await office.offboarding.run(person.id, keys="keep", actor=ROOT)
    with pytest.raises(PersonLeft):
        await users_of(office).known(ANN)
    return person


async def test_a_user_of_an_application_comes_back_by_id(office: Office) -> None:
    """A team admin of the team invites them; there is no link, and the application says their role from then on."""
    ana = await office.acting(await office.person("ana@example.com", "team_admin"))
    person = await left(office)

    made = await office.people.invite_again(person.id, team="a", role="auditor", actor=ana)

    assert (None, PersonState.INVITED) == (made.token, made.person.state)
    assert (Membership("a", "auditor", GivenBy.APP),) == made.person.memberships
    again = await users_of(office).known(replace(ANN, role="team_admin"))
    assert (person.id, PersonState.ACTIVE) == (again.id, again.state)
    assert (Membership("a", "team_admin", GivenBy.APP),) == again.memberships
    assert "person.invited" in [event.action for event in await office.events()]


async def test_a_local_person_comes_back_by_id_with_a_link(office: Office) -> None:
    """The old passphrase is gone; the link sets a new one."""
    ben = await office.person("ben@example.com", "member")
    await office.offboarding.run(ben.id, keys="keep", actor=ROOT)
    made = await office.people.invite_again(ben.id, team="b", role="member", actor=ROOT)
    assert made.token is not None
    assert (Membership("b", "member"),) == made.person.memberships


async def test_nobody_is_brought_back_beyond_ones_reach(office: Office) -> None:
    """Neither from another team, nor with a role beyond one's own, nor into a team the application does not mean."""
    person = await left(office)
    ana = await office.acting(await office.person("ana@example.com", "team_admin"))
    zoe = await office.acting(await office.person("zoe@example.com", "team_admin", team="b"), "b")
    gone = await office.person("gone@example.com", "member", team="b")
    await office.offboarding.run(gone.id, keys="keep", actor=ROOT)

    for actor, team, who in ((zoe, "b", person.id), (ana, "a", gone.id), (ana, "a", "0" * 16), (ana, "b", person.id)):
        with pytest.raises(NotFound):
            await office.people.invite_again(who, team=team, role="member", actor=actor)
    with pytest.raises(ExceedsOwnPermissions):
        await office.people.invite_again(person.id, team="a", role="owner", actor=ana)
    with pytest.raises(Invalid, match="in another team"):
        await office.people.invite_again(person.id, team="b", role="member", actor=ROOT)
    with pytest.raises(PersonLeft):
        await users_of(office).known(ANN)


async def test_who_has_not_left_is_not_invited_again(office: Office) -> None:
    """A role is given to them as to anybody."""
    ben = await office.person("ben@example.com", "member")
    with pytest.raises(Invalid, match="has not left"):
        await office.people.invite_again(ben.id, team="a", role="auditor", actor=ROOT)


async def test_many_people_come_in_pages(office: Office) -> None:
    """Each person is on one page, by name, with and without a search."""
    made = await office.person("person000@example.com", "member")

    async def fill(rows: Transaction) -> None:
        for number in range(1, 120):
            address = f"person{number:03}@example.com"
            await rows.put_person(
                replace(made, id=f"{number:016}", subject=address, email=address, name=f"Same name {number // 40}")
            )

    await office.store.change(fill)
    for text, expected in ((None, 120), ("name 1", 40), ("PERSON11", 10)):
        seen: list[str] = []
        token: str | None = None
        while token is not None or not seen:
            page = await office.people.list(PeopleSearch(team="a", q=text, page_size=25, page_token=token), actor=ROOT)
            assert len(page.items) <= 25
            seen += [person.id for person in page.items]
            token = page.next_token
        assert (expected, expected) == (len(seen), len(set(seen)))
