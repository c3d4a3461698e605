"""Whoever leaves keeps no way in: sessions, links and admin keys end, and the other keys go as chosen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Forbidden, Invalid, LastAdmin, OwnKeysOnly, PersonLeft, Tampered
from keyfob.keyring.tokens import token_digest
from keyfob.management.audit.audit_verification import verify_audit
from keyfob.management.authority import RoleAuthority
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.people.offboarding import Offboard
from keyfob.people.record import Membership, PersonState
from keyfob.policy.catalogue import build_catalogue
from keyfob.policy.roles import DEFAULT_ROLES, Role
from keyfob.store.contract.console import Session
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.people.record import Person
    from tests.keyfob.management.conftest import Office


pytestmark = pytest.mark.both_engines


async def owned(office: Office, person: Person, name: str, **draft: object) -> KeyRecord:
    made = await office.key(name=name, **draft)
    after = await office.keys.update("a", made.key.id, {"owner": {"person": person.id}}, actor=ROOT)
    return after.record


async def disabled(office: Office, record: KeyRecord) -> bool:
    found = (await office.store.find(record.id)).record
    assert found is not None
    return found.is_disabled


async def sign_in(office: Office, person: Person) -> None:
    session = Session(b"hash", None, b"mac", None, START, START + timedelta(hours=8), person.id)
    event = ROOT.did("console.signed_in", START)
    assert await office.store.console.add_session(session, event)  # type: ignore[attr-defined]


@pytest.mark.parametrize("choice", ["keep", "disable", "transfer"])
async def test_keys_go_as_chosen(office: Office, choice: str) -> None:
    """Admin keys are disabled whatever is chosen for the others; nothing is left that signs in."""
    cleo = await office.person("cleo@example.com", "team_admin")
    ben = await office.person("ben@example.com", "member")
    key = await owned(office, cleo, "CI")
    admin = await owned(office, cleo, "Admin", key_type="admin", permissions=("keys:read",))
    await sign_in(office, cleo)

    to = ben.id if choice == "transfer" else None
    left = await office.offboarding.run(cleo.id, keys=choice, to=to, reason="left us", actor=ROOT)

    after = (await office.store.find(key.id)).record
    assert after is not None
    assert (1, 1) == (left.sessions_ended, left.admin_keys_ended)
    assert {key.id, admin.id} == {one.id for one in left.keys}
    assert await disabled(office, admin)
    assert (choice == "disable") is after.is_disabled
    assert (ben.id if to else cleo.id) == after.owner_id
    gone = await office.store.people.one(cleo.id)
    assert gone is not None
    assert (PersonState.LEFT, ()) == (gone.state, gone.memberships)
    assert None is await office.store.console.session(b"hash")  # type: ignore[attr-defined]
    assert "left us" == (await office.events())[-1].detail["reason"]


async def test_no_link_survives_and_each_team_reads_of_it(office: Office) -> None:
    """A link that was sent before opens nothing after; the audit log has the removal from each team, and the whole."""
    cleo = (await office.people.invite("cleo@example.com", team="a", role="member", actor=ROOT)).person
    await office.people.set_role("b", cleo.id, "auditor", actor=ROOT)
    link = await office.people.invite("cleo@example.com", team="b", role="auditor", actor=ROOT)
    hashed = token_digest(office.signing_key, "link", link.token or "")
    assert await office.store.console.link(hashed) is not None  # type: ignore[attr-defined]
    count = len(await office.events())

    await office.offboarding.run(cleo.id, keys="keep", reason="left us", actor=ROOT)

    assert await office.store.console.link(hashed) is None  # type: ignore[attr-defined]
    events = (await office.events())[count:]
    assert [("person.removed", "a"), ("person.removed", "b"), ("person.offboarded", None)] == [
        (event.action, event.team) for event in events
    ]
    assert {"left us"} == {event.detail["reason"] for event in events}


async def test_a_forged_row_is_not_offboarded(office: Office) -> None:
    """What Keyfob did not write is no ground for what happens to keys."""
    cleo = await office.person("cleo@example.com", "member")
    await office.write_past_keyfob("UPDATE {}people SET name = 'Root'")

    with pytest.raises(Tampered):
        await office.offboarding.run(cleo.id, keys="keep", actor=ROOT)


async def test_a_dry_run_says_it_and_changes_nothing(office: Office) -> None:
    """What would happen is computed by doing it and undoing it, guards included."""
    cleo = await office.person("cleo@example.com", "team_admin")
    key = await owned(office, cleo, "CI")
    await sign_in(office, cleo)
    count = len(await office.events())

    would = await office.offboarding.run(cleo.id, keys="disable", dry_run=True, actor=ROOT)

    assert (True, 1) == (would.keys[0].is_disabled, would.sessions_ended)
    assert not await disabled(office, key)
    assert count == len(await office.events())
    assert cleo.id == (await office.acting(cleo)).id


async def test_offboarding_keeps_a_root_key(office: Office) -> None:
    """The owner of the last root key leaves after another one was made."""
    await office.person("ana@example.com", "owner")
    cleo = await office.person("cleo@example.com", "owner")
    await owned(office, cleo, "Root", key_type="admin", permissions=("*",))

    for dry_run in (True, False):
        with pytest.raises(LastAdmin):
            await office.offboarding.run(cleo.id, keys="keep", dry_run=dry_run, actor=ROOT)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_an_heir_must_be_there_even_of_nothing(office: Office, *, dry_run: bool) -> None:
    """A mistyped id is found before the last key is made, and not by whoever looks for its owner."""
    cleo = await office.person("cleo@example.com", "member")
    ben = await office.person("ben@example.com", "member")

    for nobody in ("A" * 16, cleo.id):
        with pytest.raises(Invalid, match="nobody with this id"):
            await office.offboarding.run(cleo.id, keys="transfer", to=nobody, dry_run=dry_run, actor=ROOT)
    result = await office.offboarding.run(cleo.id, keys="transfer", to=ben.id, dry_run=dry_run, actor=ROOT)
    assert () == result.keys


async def test_wrong_choices_are_refused(office: Office) -> None:
    """A transfer names a member of the team, and nothing else names anybody; nobody leaves twice."""
    cleo = await office.person("cleo@example.com", "member")
    away = await office.person("away@example.com", "member", team="b")
    await owned(office, cleo, "CI")
    people_only = await office.admin("*")
    people_only = replace(people_only, permissions=frozenset({"people:write"}))

    for wrong in (
        {"keys": "burn"},
        {"keys": "transfer"},
        {"keys": "keep", "to": "team"},
        {"keys": "transfer", "to": away.id},
        {"keys": "transfer", "to": cleo.id},
    ):
        with pytest.raises(Invalid):
            await office.offboarding.run(cleo.id, actor=ROOT, **wrong)  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        await office.offboarding.run(cleo.id, keys="disable", actor=people_only)
    await office.offboarding.run(cleo.id, keys="transfer", to="team", actor=ROOT)
    with pytest.raises(PersonLeft):
        await office.offboarding.run(cleo.id, keys="keep", actor=ROOT)


async def test_a_lower_role_keeps_no_higher_admin_key(office: Office) -> None:
    """Admin keys beyond what remains are disabled; a member, who makes none, keeps none."""
    cleo = await office.person("cleo@example.com", "team_admin")
    reading = await owned(office, cleo, "Reads", key_type="admin", permissions=("keys:read",))
    writing = await owned(office, cleo, "Writes", key_type="admin", permissions=("keys:write",))

    await office.people.set_role("a", cleo.id, "auditor", actor=ROOT)
    assert (False, True) == (await disabled(office, reading), await disabled(office, writing))
    await office.people.set_role("a", cleo.id, "member", actor=ROOT)
    assert await disabled(office, reading)


async def test_keys_of_some_types_end_with_their_owner(office: Office) -> None:
    """`when_owner_leaves = "disable"` acts where the membership in the key's team ends, and only there."""
    types = {"api": {"when_owner_leaves": "disable"}}
    office.catalogue = build_catalogue(permissions=["items:read"], key_types=types)
    cleo = await office.person("cleo@example.com", "member")
    key = await owned(office, cleo, "CI")
    scim = await owned(office, cleo, "SCIM", key_type="scim", permissions=None)
    await office.people.set_role("b", cleo.id, "member", actor=ROOT)

    await office.people.remove("b", cleo.id, actor=ROOT)
    assert not await disabled(office, key)
    await office.people.remove("a", cleo.id, actor=ROOT)
    assert (True, False) == (await disabled(office, key), await disabled(office, scim))


async def test_the_log_knows_every_person(office: Office) -> None:
    """What happens to people can be replayed: rows and log agree after it, and a change past Keyfob is named."""
    cleo = await office.acting(await office.person("cleo@example.com", "team_admin"))
    ben = (await office.people.invite("ben@example.com", team="a", role="member", actor=cleo)).person
    await office.keys.create("a", KeyDraft("CI", permissions=()), actor=cleo)
    await office.people.set_role("b", ben.id, "auditor", actor=ROOT)
    await office.people.update(ben.id, {"email": "b@example.com"}, actor=ROOT)
    await office.offboarding.run(ben.id, keys="keep", actor=ROOT)
    entries = {office.signing_key.char: office.signing_key}

    async def named() -> set[str]:
        found = await verify_audit(office.store, entries)
        return {one.row for one in found.differences if one.row.startswith("person")}

    assert {f"person {cleo.id}"} == await named()  # only the test made her active, past the log
    kept = await office.store.people.one(ben.id)
    assert kept is not None
    await office.store.change(lambda rows: rows.put_person(replace(kept, state=PersonState.ACTIVE)))
    assert f"person {ben.id}" in await named()


async def test_own_keys_only_offboards_without_the_keys(office: Office) -> None:
    """Such a role lets people leave, but neither sees nor changes the keys that were theirs."""
    lead = Role("lead", "Lead", ("keys:*", "people:*"), grant_all=True, own_keys_only=True)
    entry = office.signing_key
    authority = RoleAuthority({**DEFAULT_ROLES, "lead": lead}, office.catalogue, lambda: {entry.char: entry})
    lea = replace(await office.person("lea@example.com", "member"), memberships=(Membership("a", "lead"),))
    await office.store.change(lambda rows: rows.put_person(lea))
    ben = await office.person("ben@example.com", "member")
    key = await owned(office, ben, "CI")
    actor = authority.actor(await office.store.people.one(lea.id), "a", None)
    assert actor is not None
    offboarding = Offboard(office.store, authority, office.clock)

    for choice, to in (("disable", None), ("transfer", lea.id)):
        with pytest.raises(OwnKeysOnly):
            await offboarding.run(ben.id, keys=choice, to=to, actor=actor)
    assert () == (await offboarding.run(ben.id, keys="keep", actor=actor)).keys
    assert not await disabled(office, key)
