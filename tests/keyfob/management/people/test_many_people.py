"""Ten thousand people in one installation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.management.people.people import PeopleSearch
from keyfob.people.record import GivenBy, Membership
from tests.keyfob.management.conftest import ROOT

if TYPE_CHECKING:
    from keyfob.store.contract.transaction import Transaction
    from tests.keyfob.management.conftest import Office

pytestmark = [pytest.mark.both_engines, pytest.mark.timeout(900)]
PEOPLE = 10_000


async def filled(office: Office) -> None:
    """Put them into two teams, five of eight into the first."""
    made = await office.person("person0000@example.com", "member")

    async def fill(rows: Transaction) -> None:
        for number in range(1, PEOPLE):
            address = f"person{number:04}@example.com"
            team = Membership("a" if number % 8 < 5 else "b", "member", GivenBy.PERSON)
            person = replace(made, id=f"{number:016}", subject=address, email=address, name=f"Person {number % 100}")
            await rows.put_person(replace(person, memberships=(team,)))

    await office.store.change(fill)


async def test_ten_thousand_people_are_listed_and_found(office: Office) -> None:
    """Every one is on one page, though a hundred have the same name; one is found, and comes to know nobody else."""
    await filled(office)
    seen: list[str] = []
    token: str | None = None
    while token is not None or not seen:
        page = await office.people.list(PeopleSearch(team="a", page_size=200, page_token=token), actor=ROOT)
        assert len(page.items) <= 200
        seen += [person.id for person in page.items]
        token = page.next_token
    assert (PEOPLE * 5 // 8, PEOPLE * 5 // 8) == (len(seen), len(set(seen)))

    found = await office.people.list(PeopleSearch(q="PERSON9999@"), actor=ROOT)
    assert ["person9999@example.com"] == [person.email for person in found.items]
    ana = await office.acting(await office.person("ana@example.com", "team_admin"))
    theirs = await office.people.list(PeopleSearch(q="person999"), actor=ana)
    assert {"a"} == {one.team for person in theirs.items for one in person.memberships}
    done = await office.offboarding.run(found.items[0].id, keys="keep", actor=ROOT)
    assert () == tuple(done.keys)
