"""People are invited, given roles and removed, by nobody beyond what they hold themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import (
    ExceedsOwnLimits,
    ExceedsOwnPermissions,
    Forbidden,
    Invalid,
    LastOwner,
    NotFound,
    PersonLeft,
    Tampered,
)
from keyfob.keyring.tokens import token_digest
from keyfob.management.people.people import People, PeopleSearch
from keyfob.management.people.person_links import PersonLinks
from keyfob.people.record import Membership, PersonState, Source
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from keyfob.people.record import Person
    from tests.keyfob.management.conftest import Office


pytestmark = pytest.mark.both_engines


async def stored(office: Office, person: Person) -> Person:
    found = await office.store.people.one(person.id)
    assert found is not None
    return found


async def test_an_invitation_makes_a_person_with_a_link(office: Office) -> None:
    """Somebody new is invited under their address, with a role in one team and a link of 72 hours."""
    made = await office.people.invite("Ben@example.com", team="a", role="member", name="Ben", actor=ROOT)

    assert made.token is not None
    assert made.expires_at is not None
    assert 72 == (made.expires_at - START).total_seconds() / 3600
    assert made.token not in repr(made)
    assert (Source.LOCAL, "ben@example.com", PersonState.INVITED) == (
        made.person.source,
        made.person.subject,
        made.person.state,
    )
    assert (Membership("a", "member"),) == made.person.memberships
    event = (await office.events())[-1]
    assert ("person.invited", "a", made.person.id) == (event.action, event.team, event.person_id)


async def test_a_known_address_gets_the_membership_and_no_link(office: Office) -> None:
    """A link would open what the person is elsewhere, so only whoever reaches all of that gets one."""
    ana = await office.acting(await office.person("ana@example.com", "team_admin"))
    ben = await office.person("ben@example.com", "member", team="b")

    by_ana = await office.people.invite("BEN@example.com", team="a", role="member", actor=ana)
    by_root = await office.people.invite("ben@example.com", team="a", role="member", actor=ROOT)

    assert (ben.id, None, None) == (by_ana.person.id, by_ana.token, by_ana.expires_at)
    assert (Membership("a", "member"),) == by_ana.person.memberships
    assert by_root.token is not None
    assert (Membership("a", "member"), Membership("b", "member")) == (await stored(office, ben)).memberships


@pytest.mark.parametrize("change", ["role", "membership", "invitation", "removal", "address"])
async def test_a_link_opens_no_more_than_it_was_made_for(office: Office, change: str) -> None:
    """Whoever holds an older link gets nothing of what its person becomes later: each change voids it."""
    invited = await office.people.invite("ben@example.com", team="a", role="member", actor=ROOT)
    hashed = token_digest(office.signing_key, "link", invited.token or "")
    assert await office.store.console.link(hashed) is not None  # type: ignore[attr-defined]
    ana = await office.acting(await office.person("ana@example.com", "team_admin", team="b"), "b")
    match change:
        case "role":
            await office.people.set_role("a", invited.person.id, "team_admin", actor=ROOT)
        case "membership":
            await office.people.set_role("b", invited.person.id, "member", actor=ROOT)
        case "invitation":
            assert (await office.people.invite("ben@example.com", team="b", role="member", actor=ana)).token is None
        case "removal":
            await office.people.remove("a", invited.person.id, actor=ROOT)
        case _:
            await office.people.update(invited.person.id, {"email": "ben@example.org"}, actor=ROOT)

    assert await office.store.console.link(hashed) is None  # type: ignore[attr-defined]


async def test_nobody_gives_a_role_beyond_their_own(office: Office) -> None:
    """`grant_all` counts: what a role may hand on is given with it, too."""
    ana = await office.acting(await office.person("ana@example.com", "team_admin"))
    machine = await office.admin("people:write", "keys:*", "audit:read")

    with pytest.raises(ExceedsOwnPermissions) as error:
        await office.people.invite("eve@example.com", team="a", role="owner", actor=ana)
    assert ("*",) == error.value.missing
    with pytest.raises(ExceedsOwnPermissions) as error:
        await office.people.invite("eve@example.com", team="a", role="member", actor=machine)
    assert ("docs:secret", "items:read", "items:write") == error.value.missing
    assert "member" == (await office.people.invite("x@y.org", team="a", role="member", actor=ana)).person.role_in("a")


async def test_a_key_that_ends_gives_no_role(office: Office) -> None:
    """A membership outlives and out-reaches a key with an end or with addresses."""
    limited = replace(await office.admin("*"), ip_allow=("10.0.0.0/8",))
    record = (await office.store.find(limited.id or "")).record
    assert record is not None
    await office.store.change(lambda rows: rows.put_key(replace(record, ip_allow=("10.0.0.0/8",))))

    with pytest.raises(ExceedsOwnLimits):
        await office.people.invite("eve@example.com", team="a", role="auditor", actor=limited)


async def test_a_removed_person_changes_nothing_any_more(office: Office) -> None:
    """What was begun before a removal fails at its commit: role and person are read again in the transaction."""
    ana = await office.person("ana@example.com", "team_admin")
    acting = await office.acting(ana)
    await office.people.remove("a", ana.id, actor=ROOT)

    with pytest.raises(Forbidden):
        await office.people.invite("eve@example.com", team="a", role="member", actor=acting)
    with pytest.raises(Forbidden):
        await office.teams.update("a", {"name": "Mine"}, actor=replace(acting, permissions=frozenset({"*"})))


async def test_people_are_seen_by_team(office: Office) -> None:
    """A team's admin sees its people and their role there; other teams and their people are not found."""
    ana = await office.acting(await office.person("ana@example.com", "team_admin"))
    ben = await office.person("ben@example.com", "member", team="b")
    await office.people.set_role("a", ben.id, "auditor", actor=ROOT)
    cleo = await office.person("cleo@example.com", "member", team="b")

    page = await office.people.list(PeopleSearch(), actor=ana)

    assert ["ana@example.com", "ben@example.com"] == [person.email for person in page.items]
    assert (Membership("a", "auditor"),) == page.items[1].memberships
    for hidden in (
        office.people.get(cleo.id, actor=ana),
        office.people.list(PeopleSearch(team="b"), actor=ana),
        office.people.remove("b", ben.id, actor=ana),
        office.people.set_role("a", cleo.id, "member", actor=ana),
    ):
        with pytest.raises(NotFound):
            await hidden


async def test_pages_of_people_meet(office: Office) -> None:
    """A page token leads to the next name."""
    for number in range(3):
        await office.person(f"p{number}@example.com", "member")

    first = await office.people.list(PeopleSearch(page_size=2), actor=ROOT)
    second = await office.people.list(PeopleSearch(page_size=2, page_token=first.next_token), actor=ROOT)

    assert ["p0@example.com", "p1@example.com", "p2@example.com"] == [one.email for one in first.items + second.items]
    assert second.next_token is None
    with pytest.raises(Invalid):
        await office.people.list(PeopleSearch(state="gone"), actor=ROOT)


async def test_who_is_over_one_is_out_of_reach(office: Office) -> None:
    """A team's admin neither lowers nor removes an owner, and changes no e-mail of somebody with another team."""
    ana = await office.acting(await office.person("ana@example.com", "team_admin"))
    owner = await office.person("root@example.com", "owner")
    ben = await office.person("ben@example.com", "member")
    await office.people.set_role("b", ben.id, "member", actor=ROOT)

    for forbidden in (
        office.people.set_role("a", owner.id, "member", actor=ana),
        office.people.remove("a", owner.id, actor=ana),
        office.people.update(ben.id, {"email": "eve@example.com"}, actor=ana),
        office.offboarding.run(ben.id, keys="keep", actor=ana),
    ):
        with pytest.raises(ExceedsOwnPermissions):
            await forbidden


async def test_an_address_changes_with_all_that_hangs_on_it(office: Office) -> None:
    """Local people are known by their address; two of them never share one."""
    ben = await office.person("ben@example.com", "member")
    await office.person("cleo@example.com", "member")

    after = await office.people.update(ben.id, {"email": "Benjamin@example.com", "name": "Ben"}, actor=ROOT)

    assert ("Benjamin@example.com", "benjamin@example.com", "Ben") == (after.email, after.subject, after.name)
    for wrong in ({"email": "CLEO@example.com"}, {"email": "nobody"}, {"state": "left"}, {"name": ""}):
        with pytest.raises(Invalid):
            await office.people.update(ben.id, wrong, actor=ROOT)


async def test_the_last_owner_stays(office: Office) -> None:
    """Neither a lower role, a removal nor offboarding leaves an installation without an owner who has signed in."""
    ana = await office.person("ana@example.com", "owner")
    await office.people.invite("ben@example.com", team="a", role="owner", actor=ROOT)  # has not signed in yet

    for refused in (
        office.people.set_role("a", ana.id, "member", actor=ROOT),
        office.people.remove("a", ana.id, actor=ROOT),
        office.offboarding.run(ana.id, keys="keep", actor=ROOT),
    ):
        with pytest.raises(LastOwner):
            await refused
    await office.person("cleo@example.com", "owner", team="b")
    await office.people.remove("a", ana.id, actor=ROOT)
    assert () == (await stored(office, ana)).memberships


async def test_an_owner_who_cannot_sign_in_is_no_owner(office: Office) -> None:
    """Where people sign in by a proxy alone, the last of its owners stays, whoever has a passphrase from before."""
    await office.person("ana@example.com", "owner")
    ben = await office.person("ben@example.com", "owner")
    proxied = replace(ben, source=Source.HEADER)
    await office.store.change(lambda rows: rows.put_person(proxied))
    authority = office.authority
    authority.sign_in = ("header",)
    links = PersonLinks(office.store, authority, signing=lambda: office.signing_key, now=office.clock)

    with pytest.raises(LastOwner):
        await People(office.store, authority, links, office.clock).remove("a", ben.id, actor=ROOT)
    await office.people.remove("a", ben.id, actor=ROOT)


async def test_a_forged_row_is_no_foundation(office: Office) -> None:
    """Somebody who can write the database, but lacks the keyring, raises no role: the seal breaks (FF-19)."""
    ana = await office.person("ana@example.com", "owner")
    ben = await office.person("ben@example.com", "member")
    await office.write_past_keyfob("UPDATE {}memberships SET role = 'owner'")

    forged = await stored(office, ben)
    assert "owner" == forged.role_in("a")
    assert office.authority.actor(forged, "a", None) is None
    with pytest.raises(Tampered):
        await office.people.set_role("a", ben.id, "auditor", actor=ROOT)
    with pytest.raises(LastOwner):
        await office.people.remove("a", ana.id, actor=ROOT)


async def test_whoever_left_comes_back_by_an_invitation_alone(office: Office) -> None:
    """A role is no way back; an invitation is, with a new passphrase."""
    ben = await office.person("ben@example.com", "member")
    await office.offboarding.run(ben.id, keys="keep", actor=ROOT)

    with pytest.raises(PersonLeft):
        await office.people.set_role("a", ben.id, "member", actor=ROOT)
    again = await office.people.invite("ben@example.com", team="a", role="member", actor=ROOT)

    assert (ben.id, PersonState.INVITED) == (again.person.id, again.person.state)
    assert again.token is not None
    assert (await stored(office, ben)).passphrase is None
