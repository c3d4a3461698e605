"""People who sign in by a provider's word: known by issuer and subject, with the roles of their groups."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import LastAdmin, NotFound, PersonLeft, SignInFailed, Tampered
from keyfob.keyring.tokens import token_digest
from keyfob.management.audit.audit_verification import verify_audit
from keyfob.management.authority import RoleAuthority
from keyfob.management.people.provider_sign_in import ProviderSignIn
from keyfob.people.claims import Claims
from keyfob.people.record import GivenBy, Membership, PersonState, Source
from keyfob.policy.group_rules import GroupRule
from keyfob.policy.roles import DEFAULT_ROLES
from keyfob.store.contract.console import Session
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from keyfob.people.record import Person
    from keyfob.store.contract.console import SignInLink
    from keyfob.store.contract.transaction import Transaction
    from tests.keyfob.management.conftest import Office

RULES = (
    GroupRule("leads", "a", "team_admin"),
    GroupRule("dev", "a", "member"),
    GroupRule("dev", "none-such", "member"),
)
CLEO = Claims(Source.OIDC, "https://id.example.com 1", "cleo@example.com", "Cleo", frozenset({"dev"}))
BY_GROUP = Membership("a", "member", GivenBy.GROUP)


pytestmark = pytest.mark.both_engines


async def sign_in(office: Office, claims: Claims = CLEO, invitation: SignInLink | None = None) -> Person:
    verb = ProviderSignIn(office.store, office.authority, RULES, office.clock)
    return await verb.apply(claims, ip="192.0.2.9", invitation=invitation)


async def invite(office: Office, email: str, role: str = "auditor") -> tuple[Person, SignInLink]:
    invited = await office.people.invite(email, team="b", role=role, actor=ROOT)
    assert invited.token is not None
    link = await office.store.console.link(token_digest(office.signing_key, "link", invited.token))  # type: ignore[attr-defined]
    assert link is not None
    return invited.person, link


async def people_beside_the_log(office: Office) -> list[str]:
    """The rows of people that are not what the audit log says."""
    found = await verify_audit(office.store, {office.signing_key.char: office.signing_key})
    assert [] == found.faults
    furniture = ("team ", "signing key ")  # which the fixture made without the log
    return [one.row for one in found.differences if not one.row.startswith(furniture)]


async def refused(office: Office, claims: Claims, invitation: SignInLink | None = None) -> str:
    with pytest.raises(SignInFailed) as caught:
        await sign_in(office, claims, invitation)
    return caught.value.reason


async def test_somebody_in_a_known_group_is_let_in(office: Office) -> None:
    """The first sign-in makes the person with the role of the group, and names them in the log; teams must exist."""
    person = await sign_in(office)
    (event,) = await office.events()

    assert (PersonState.ACTIVE, (BY_GROUP,), Source.OIDC) == (person.state, person.memberships, person.source)
    assert ("person.joined", person.id, "Cleo", "192.0.2.9") == (
        event.action,
        event.actor_id,
        event.actor_name,
        event.ip,
    )
    assert office.authority.is_genuine(person)
    assert [] == await people_beside_the_log(office)


async def test_the_next_sign_in_finds_the_same_person_and_writes_nothing(office: Office) -> None:
    """Nothing new is no event: a proxy's header is read at every request."""
    first = await sign_in(office)

    assert first == await sign_in(office)
    assert 1 == len(await office.events())


async def test_groups_are_looked_at_at_every_sign_in(office: Office) -> None:
    """Another group is another role; a missing claim keeps it; no group is no role, and nobody is let in."""
    first = await sign_in(office)
    raised = await sign_in(office, replace(CLEO, groups=frozenset({"leads", "dev"})))
    kept = await sign_in(office, replace(CLEO, groups=None))
    reason = await refused(office, replace(CLEO, groups=frozenset()))
    after = await office.store.people.one(first.id)

    assert ["team_admin", "team_admin"] == [each.role_in("a") for each in (raised, kept)]
    assert ("no_membership", ()) == (reason, after.memberships if after else None)


async def test_a_stranger_is_not_let_in_and_leaves_no_trace(office: Office) -> None:
    """An account at the provider alone opens nothing, and makes no row."""
    for groups in (None, frozenset[str](), frozenset({"strangers"})):
        assert "no_membership" == await refused(office, replace(CLEO, groups=groups))

    assert [] == await office.store.people.of_email("cleo@example.com")


async def test_an_address_joins_nobody(office: Office) -> None:
    """Two sources, or two subjects, with one e-mail address are different people."""
    local = await office.person("cleo@example.com", "team_admin")
    people = [
        local,
        await sign_in(office),
        await sign_in(office, replace(CLEO, known_as="https://id.example.com 2")),
        await sign_in(office, replace(CLEO, source=Source.HEADER, known_as="cleo@example.com")),
    ]

    assert 4 == len({person.id for person in people})
    assert ["team_admin", "member", "member", "member"] == [person.role_in("a") for person in people]


async def test_whoever_has_left_is_refused(office: Office) -> None:
    """Their group does not bring them back; an invitation does."""
    person = await sign_in(office)
    await office.offboarding.run(person.id, keys="keep", actor=ROOT)
    with pytest.raises(PersonLeft):
        await sign_in(office)
    await office.people.invite("cleo@example.com", team="b", role="auditor", actor=ROOT)
    back = await sign_in(office)

    assert (person.id, ["member", "auditor"]) == (back.id, [back.role_in("a"), back.role_in("b")])


async def test_a_row_that_keyfob_did_not_write_is_refused(office: Office) -> None:
    """Whoever can write the database cannot let a forged person in."""
    await sign_in(office)
    stranger = RoleAuthority(DEFAULT_ROLES, office.catalogue, dict)  # no entry of the keyring that made the seal
    verb = ProviderSignIn(office.store, stranger, RULES, office.clock)

    with pytest.raises(Tampered):
        await verb.apply(CLEO, ip=None)


async def test_another_address_ends_the_older_sessions(office: Office) -> None:
    """What the provider says of the address now is kept, and sessions under the old one have ended."""
    person = await sign_in(office)
    session = Session(b"hash", None, b"mac", None, START, START + timedelta(hours=8), person.id)
    assert await office.store.console.add_session(session, ROOT.did("console.signed_in", START))  # type: ignore[attr-defined]
    await sign_in(office, replace(CLEO, name="Cleo B."))
    kept = len(await office.store.people.sessions(person.id))
    changed = await sign_in(office, replace(CLEO, email="c@example.com"))

    assert (person.id, "c@example.com", 1, 0) == (
        changed.id,
        changed.email,
        kept,
        len(await office.store.people.sessions(person.id)),
    )


async def test_an_invitation_is_redeemed_by_the_invited_address(office: Office) -> None:
    """Whoever redeems it through the provider is the provider's person, and its link is used."""
    invited, link = await invite(office, "Cleo@example.com")
    person = await sign_in(office, replace(CLEO, groups=None), link)

    assert (invited.id, Source.OIDC, CLEO.known_as) == (person.id, person.source, person.subject)
    assert ("auditor", PersonState.ACTIVE) == (person.role_in("b"), person.state)
    with pytest.raises(NotFound):
        await sign_in(office, replace(CLEO, known_as="https://id.example.com 2"), link)


async def test_an_invitation_adds_to_whom_the_provider_knows_already(office: Office) -> None:
    """The person gets the role of the invitation beside their own; the row that waited for them is left."""
    known = await sign_in(office, replace(CLEO, email=None))
    invited, link = await invite(office, "cleo@example.com")
    person = await sign_in(office, CLEO, link)
    waited = await office.store.people.one(invited.id)

    assert (known.id, "member", "auditor") == (person.id, person.role_in("a"), person.role_in("b"))
    assert waited is not None
    assert (PersonState.LEFT, ()) == (waited.state, waited.memberships)
    assert [] == await people_beside_the_log(office)


@pytest.mark.parametrize(("email", "reason"), [(None, "email_unverified"), ("dora@example.com", "email_differs")])
async def test_an_invitation_is_nobody_elses(office: Office, email: str | None, reason: str) -> None:
    """A forwarded link, or an address that the provider has not verified, redeems nothing and uses nothing up."""
    _, link = await invite(office, "cleo@example.com")

    assert reason == await refused(office, replace(CLEO, email=email), link)
    assert "auditor" == (await sign_in(office, CLEO, link)).role_in("b")


async def test_the_loss_of_a_group_ends_admin_keys_but_never_the_last(office: Office) -> None:
    """A lowered role keeps no admin key; where nobody would be left with one, nothing changes and nobody is let in."""
    rules = (GroupRule("owners", "a", "owner"), *RULES)
    verb = ProviderSignIn(office.store, office.authority, rules, office.clock)
    await office.person("ana@example.com", "owner")
    person = await verb.apply(replace(CLEO, groups=frozenset({"owners"})), ip=None)
    made = await office.key(name="Root", key_type="admin", permissions=("*",))
    await office.keys.update("a", made.key.id, {"owner": {"person": person.id}}, actor=ROOT)
    with pytest.raises(LastAdmin):
        await verb.apply(CLEO, ip=None)
    await office.key(name="Other", key_type="admin", permissions=("*",))
    lowered = await verb.apply(CLEO, ip=None)
    record = (await office.store.find(made.key.id)).record

    assert "member" == lowered.role_in("a")
    assert record is not None
    assert record.is_disabled


async def test_a_forged_invitation_opens_nothing(office: Office) -> None:
    """Roles that somebody wrote past Keyfob are not taken over with the invitation."""
    invited, link = await invite(office, "cleo@example.com")
    await office.write_past_keyfob("UPDATE {}memberships SET role = 'owner'")

    with pytest.raises(Tampered):
        await sign_in(office, replace(CLEO, groups=None), link)
    after = await office.store.people.one(invited.id)
    assert after is not None
    assert PersonState.INVITED is after.state


async def test_nothing_is_written_while_nothing_changes(office: Office) -> None:
    """Headers are read at every request: pages go on while nothing can be written, whatever teams are not made yet."""
    before = await sign_in(office)
    held, released = asyncio.Event(), asyncio.Event()

    async def hold(_: Transaction) -> None:
        held.set()
        await released.wait()

    holding = asyncio.create_task(office.store.change(hold))
    await held.wait()
    try:
        assert before == await asyncio.wait_for(sign_in(office), 30)
    finally:
        released.set()
        await holding
