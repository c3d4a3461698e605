"""Links to the Keys page are for whom and for what the caller may hand on, and are stored as hashes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ExceedsOwnLimits, ExceedsOwnPermissions, Forbidden, Invalid, NotFound, PersonLeft
from keyfob.keyring.tokens import token_digest
from keyfob.management.people.app_people import AppPeople
from keyfob.management.people.page_sessions import PAGE_LINK_LASTS, PageLink, PageSessions
from keyfob.people.app_person import AppPerson
from keyfob.people.record import Source
from tests.keyfob.management.conftest import ROOT, START, Office, acting

if TYPE_CHECKING:
    from keyfob.management.actor import Actor

ANN = AppPerson("1", "Ann", "ann@example.com", "a")
ADMIN = replace(ANN, role="team_admin")
BACK = "https://app.example.com/settings"
MEMBERS = ("keys:read", "keys:write", "keys:delete")
ALL_ITEMS = ("items:read", "items:write", "docs:secret")


pytestmark = pytest.mark.both_engines


def sessions_of(office: Office, *return_urls: str) -> PageSessions:
    """What makes the links of *office*."""
    people = AppPeople(office.store, office.authority, office.teams, office.clock)
    allowed = return_urls or (BACK,)
    signing = lambda: office.signing_key  # noqa: E731 - as the other services are made
    return PageSessions(office.store, people, office.authority, allowed, signing=signing, now=office.clock)


async def link_to(office: Office, given: AppPerson = ANN, actor: Actor = ROOT, back: str = BACK) -> PageLink:
    """Ask for a link."""
    return await sessions_of(office).create(given, back, actor=actor)


async def test_a_link_is_for_one_person_and_ten_minutes(office: Office) -> None:
    """The person is made as the application describes them, and the audit log says who asked for the link."""
    admin = await office.admin("*")
    made = await link_to(office, ADMIN, admin)

    person = await office.store.people.of_subject(Source.APP, "a/1")
    assert person is not None
    assert ("team_admin", "Ann", "ann@example.com") == (person.role_in("a"), person.name, person.email)
    assert made.expires_at == START + PAGE_LINK_LASTS == START + timedelta(minutes=10)
    joined, linked = (await office.events())[-2:]
    assert ["person.joined", "page_session.created"] == [joined.action, linked.action]
    assert (admin.id, person.id, "a") == (linked.actor_id, linked.person_id, linked.team)


async def test_neither_row_nor_log_nor_repr_holds_the_token(office: Office) -> None:
    """The database keeps a hash, and what is told of the link is when it ends."""
    made = await link_to(office)
    stored = await office.store.console.link(  # type: ignore[attr-defined]
        token_digest(office.signing_key, "link", made.token)
    )

    assert (BACK, made.person.id) == (stored.return_url, stored.person_id)
    for text in (repr(stored), repr(made), repr(await office.events())):
        assert made.token not in text


async def test_the_same_person_comes_again(office: Office) -> None:
    """Each link is another one; the person is made once, and changed when the application says something else."""
    first, second = [await link_to(office, replace(ANN, name=name)) for name in ("Ann", "Anna")]

    assert first.person.id == second.person.id
    assert first.token != second.token
    assert "Anna" == second.person.name


async def test_an_owner_acts_as_a_team_admin(office: Office) -> None:
    """No application makes an owner."""
    assert "team_admin" == (await link_to(office, replace(ANN, role="owner"))).person.role_in("a")


async def test_a_role_is_bound_by_what_the_caller_may_hand_on(office: Office) -> None:
    """Whoever lacks a permission opens no page that has it, and makes nobody."""
    weak = await office.admin("people:write", *MEMBERS, *ALL_ITEMS)
    with pytest.raises(ExceedsOwnPermissions):
        await link_to(office, ADMIN, weak)
    with pytest.raises(ExceedsOwnPermissions):
        await link_to(office, ANN, await office.admin("people:write", *MEMBERS))
    assert await office.store.people.of_subject(Source.APP, "a/1") is None

    assert "member" == (await link_to(office, ANN, weak)).person.role_in("a")


async def test_a_role_that_a_person_gave_is_bound_as_well(office: Office) -> None:
    """A weak key opens no stronger person's page by calling them a member, nor lowers or renames them."""
    weak = await office.admin("people:write", *MEMBERS, *ALL_ITEMS)
    person = (await link_to(office)).person
    await office.people.set_role("a", person.id, "team_admin", actor=ROOT)

    with pytest.raises(ExceedsOwnPermissions):
        await link_to(office, replace(ANN, name="Eve"), weak)
    known = await office.store.people.one(person.id)
    assert known is not None
    assert ("Ann", "team_admin") == (known.name, known.role_in("a"))


async def test_a_key_that_ends_or_is_bound_opens_nothing(office: Office) -> None:
    """A role neither ends nor knows addresses, so a key that does cannot hand it on."""
    made = await office.key(name="Admin", key_type="admin", permissions=("*",), ip_allow=("192.0.2.0/24",))
    with pytest.raises(ExceedsOwnLimits):
        await link_to(office, ANN, acting(made))


async def test_who_may_not_ask(office: Office) -> None:
    """Without people:write nothing is told, and a team out of sight is not there."""
    with pytest.raises(Forbidden):
        await link_to(office, ANN, await office.admin("people:read", *MEMBERS))
    own = await office.admin("people:write", "keys:*", "items:*", "docs:*", team="b")
    for team in ("a", "nowhere", "Not a team"):
        with pytest.raises(NotFound):
            await link_to(office, replace(ANN, team=team), own)
    with pytest.raises(NotFound):
        await link_to(office, replace(ANN, team="nowhere"))
    assert await office.store.team("nowhere") is None


async def test_whoever_left_is_refused(office: Office) -> None:
    """An administrator's word stands against the application's."""
    person = (await link_to(office)).person
    await office.offboarding.run(person.id, keys="keep", actor=ROOT)
    with pytest.raises(PersonLeft):
        await link_to(office)


@pytest.mark.parametrize(
    ("given", "back", "pointer"),
    [
        (replace(ANN, id=""), BACK, "/id"),
        (replace(ANN, id="a\nb"), BACK, "/id"),
        (replace(ANN, id="a" * 201), BACK, "/id"),
        (replace(ANN, role="chief"), BACK, "/role"),
        (replace(ANN, email="nobody"), BACK, "/email"),
        (replace(ANN, name=""), BACK, "/name"),
        (ANN, "https://evil.example/settings", "/return_url"),
        (ANN, "//app.example.com/settings", "/return_url"),
        (ANN, "", "/return_url"),
    ],
)
async def test_what_cannot_be_is_refused(office: Office, given: AppPerson, back: str, pointer: str) -> None:
    """The answer points at what is wrong, and nobody is made."""
    with pytest.raises(Invalid) as caught:
        await link_to(office, given, back=back)

    assert [pointer] == [where for where, _ in caught.value.errors]
    assert [] == await office.events()


async def test_without_a_configured_address_there_are_no_links(office: Office) -> None:
    """The refusal names the setting."""
    nowhere = PageSessions(
        office.store,
        AppPeople(office.store, office.authority, office.teams, office.clock),
        office.authority,
        (),
        signing=lambda: office.signing_key,
        now=office.clock,
    )
    with pytest.raises(Invalid, match="return_urls"):
        await nowhere.create(ANN, BACK, actor=ROOT)
