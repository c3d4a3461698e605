"""A role with `own_keys_only` sees and changes the keys that its person owns, and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ExceedsOwnPermissions, HandoverVoid, Invalid, KeyTypeTaken, NotFound, OwnKeysOnly
from keyfob.keys.record import Creator
from keyfob.management.audit.audit_log import AuditLog, EventSearch
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.key_finder import KeyFinder, SecretCheck
from keyfob.management.key_listing import KeySearch
from tests.keyfob.management.conftest import ROOT, Office

if TYPE_CHECKING:
    from keyfob.keyring.keyring import SigningKey


async def checked(_text: str) -> SecretCheck:
    return SecretCheck.RIGHT


async def test_a_key_belongs_to_the_person_who_makes_it(office: Office) -> None:
    """`created_by` is the person, with the address of then; a machine's key belongs to the team."""
    ben = await office.acting(await office.person("ben@example.com", "member"))

    made = await office.keys.create("a", KeyDraft("CI", permissions=("items:read",)), actor=ben)
    by_machine = await office.key()

    assert Creator("person", ben.id, ben.name, "ben@example.com") == made.key.created_by
    assert (ben.id, None) == (made.key.owner_id, by_machine.key.owner_id)
    event = (await office.events())[-2]
    assert ("person", ben.id, "ben@example.com") == (event.actor_kind, event.actor_id, event.detail["actor_email"])


async def test_other_keys_are_not_found(office: Office) -> None:
    """Reading, changing, copying, replacing and disabling all stop at what one owns."""
    ben = await office.acting(await office.person("ben@example.com", "member"))
    theirs = (await office.key()).key.id
    own = (await office.keys.create("a", KeyDraft("Mine", permissions=()), actor=ben)).key.id

    assert [own] == [view.record.id for view in (await office.keys.list_keys(KeySearch("a"), actor=ben)).items]
    assert () == (await office.keys.list_keys(KeySearch("a", owner="team"), actor=ben)).items
    for hidden in (
        office.keys.get("a", theirs, actor=ben),
        office.keys.update("a", theirs, {"name": "X"}, actor=ben),
        office.keys.disable("a", theirs, actor=ben),
        office.keys.delete("a", theirs, actor=ben),
        office.keys.duplicate("a", theirs, {}, actor=ben),
        office.keys.rotate("a", theirs, {}, actor=ben),
        office.keys.usage.days("a", theirs, actor=ben),
        office.keys.bulk.run("a", ids=[own, theirs], actor=ben),
    ):
        with pytest.raises(NotFound):
            await hidden
    swept = await office.keys.bulk.run("a", search=KeySearch("a", state="active"), actor=ben)
    assert [own] == [view.record.id for view in swept]


async def test_what_is_found_and_read_in_the_log_is_ones_own(office: Office) -> None:
    """A pasted id of another's key is no match, and History shows what happened to own keys."""
    person = await office.person("ben@example.com", "member")
    ben = await office.acting(person)
    reader = replace(ben, permissions=frozenset({*ben.permissions, "audit:read"}))
    theirs = (await office.key()).key.id
    own = (await office.keys.create("a", KeyDraft("Mine", permissions=()), actor=ben)).key.id
    finder = KeyFinder(office.store, checked, prefix="kf", now=office.clock)

    found = await finder.find(f"{own} kf_api_{theirs}", actor=ben)
    events = await AuditLog(office.store).events(EventSearch(), actor=reader)

    assert [("key", own), ("foreign", theirs)] == [(match.kind, match.mention.key_id) for match in found]
    assert {own} == {event.event.key_id for event in events.items}


async def test_one_takes_the_place_of_nobody_elses_key(office: Office) -> None:
    """`replace` would delete another's key, so it is refused; no admin keys and no other owner either."""
    ben = await office.acting(await office.person("ben@example.com", "member"))
    cleo = await office.person("cleo@example.com", "member")
    await office.key(key_type="computer", permissions=None)
    own = (await office.keys.create("a", KeyDraft("Mine", permissions=()), actor=ben)).key.id

    with pytest.raises(KeyTypeTaken):
        await office.keys.create("a", KeyDraft("Mine", key_type="computer"), actor=ben, replace=True)
    with pytest.raises(OwnKeysOnly):
        await office.keys.create("a", KeyDraft("Up", key_type="admin", permissions=("keys:read",)), actor=ben)
    for owner in ("team", {"person": cleo.id}):
        with pytest.raises(OwnKeysOnly):
            await office.keys.update("a", own, {"owner": owner}, actor=ben)


async def test_a_role_that_grants_all_hands_on_the_catalogue_alone(office: Office) -> None:
    """It is no ground to grant admin permissions or wildcards, which reach beyond the catalogue of today."""
    ana = await office.acting(await office.person("ana@example.com", "team_admin"))

    made = await office.keys.create("a", KeyDraft("CI", permissions=("docs:secret", "items:write")), actor=ana)
    assert ("docs:secret", "items:write") == made.key.permissions
    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.create("a", KeyDraft("CI", permissions=("items:*",)), actor=ana)
    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.create("a", KeyDraft("Up", key_type="admin", permissions=("teams:write",)), actor=ana)


async def test_an_owner_is_somebody_of_the_team(office: Office) -> None:
    """A key goes to a member of its team or to the team; an admin key only to whoever may do as much."""
    ben = await office.person("ben@example.com", "member")
    away = await office.person("away@example.com", "member", team="b")
    key = (await office.key()).key.id
    admin = (await office.key(name="Admin", key_type="admin", permissions=("keys:read",))).key.id

    after = await office.keys.update("a", key, {"owner": {"person": ben.id}}, actor=ROOT)
    assert (ben.id, ben.name) == (after.record.owner_id, after.record.owner_name)
    assert {"from": "team", "to": ben.id} == (await office.events())[-1].detail["owner"]
    for wrong in ({"person": away.id}, {"person": "nobody"}, ben.id, {"person": ben.id, "x": 1}, None):
        with pytest.raises(Invalid):
            await office.keys.update("a", key, {"owner": wrong}, actor=ROOT)
    with pytest.raises(Invalid):
        await office.keys.update("a", admin, {"owner": {"person": ben.id}}, actor=ROOT)


async def test_a_replaced_keys_successor_has_its_owner(office: Office) -> None:
    """Whoever replaces a key does not take it over; whoever copies one owns the copy."""
    ben = await office.acting(await office.person("ben@example.com", "member"))
    own = (await office.keys.create("a", KeyDraft("Mine", permissions=()), actor=ben)).key.id

    copy = await office.keys.duplicate("a", own, {}, actor=ROOT)
    successor = await office.keys.rotate("a", own, {}, actor=ROOT)

    assert (None, ben.id) == (copy.key.owner_id, successor.key.owner_id)


async def test_a_link_of_somebody_who_left_hands_nothing_over(office: Office) -> None:
    """Offboarding the maker voids the links, because what a maker may grant is judged when a key is collected."""
    person = await office.person("ben@example.com", "member")
    ben = await office.acting(person)
    tokens = []
    for _ in range(2):
        made = await office.keys.handovers.create("a", KeyDraft("CI", permissions=("items:read",)), actor=ben)
        assert made.link is not None
        tokens.append(made.link.token)
    keyring = Held({office.signing_key.char: office.signing_key})

    assert (await office.keys.handovers.collect(tokens[0], keyring, ip=None)).secret
    await office.offboarding.run(person.id, keys="keep", actor=ROOT)
    with pytest.raises(HandoverVoid):
        await office.keys.handovers.collect(tokens[1], keyring, ip=None)


class Held:
    """A keyring without a database."""

    def __init__(self, entries: dict[str, SigningKey]) -> None:
        self._entries = entries

    def entries(self) -> dict[str, SigningKey]:
        return self._entries

    def is_retired(self, _char: str) -> bool:
        return False
