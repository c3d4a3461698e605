"""Create: what is asked for, what is refused, and what a type or a plan allows."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import FixedPermissions, Forbidden, Invalid, KeyTypeTaken, NotFound, PlanRequired
from keyfob.keys.format import parse_key
from keyfob.keys.record import Creator
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.key_listing import KeySearch
from tests.keyfob.management.conftest import ROOT, START, count

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office

YESTERDAY = START - timedelta(days=1)
TOMORROW = START + timedelta(days=1)


async def test_lc_01_a_new_key_is_what_was_asked_for(office: Office) -> None:
    """The view shows every field, and the secret is a whole key of that type and id."""
    doer = await office.admin("keys:write", "items:read", "items:write")
    draft = KeyDraft("  CI  ", "api", ("items:write", "items:read"), "For\nbuilds", TOMORROW, ("10.0.0.0/8",))

    created = await office.keys.create("a", draft, actor=doer)

    record = created.view.record
    assert ("CI", "api", ("items:read", "items:write")) == (record.name, record.key_type, record.permissions)
    assert ("For\nbuilds", TOMORROW, ("10.0.0.0/8",)) == (record.description, record.expires_at, record.ip_allow)
    assert Creator("key", doer.id, "Admin") == record.created_by
    assert created.view == await office.store.view(record.id)
    parsed = parse_key(created.secret or "")
    assert parsed is not None
    assert ("api", record.id) == (parsed.key_type, parsed.key_id)


async def test_se_09_only_the_one_who_makes_a_key_sees_its_secret(office: Office) -> None:
    """Neither reading nor listing nor the audit log nor a repr holds any part of the secret or its hash."""
    created = await office.key()
    parsed = parse_key(created.secret or "")
    assert parsed is not None
    found = await office.store.find(parsed.key_id)
    assert found.secret is not None

    shown = [
        repr(await office.keys.get("a", parsed.key_id, actor=ROOT)),
        repr(await office.keys.list_keys(KeySearch("a"), actor=ROOT)),
        repr(await office.events()),
        repr(created),
        repr(found),
    ]

    for text in shown:
        assert parsed.secret not in text
        assert parsed.tag + parsed.checksum not in text
        assert found.secret.hash not in text


@pytest.mark.parametrize(
    ("draft", "pointer"),
    [
        (KeyDraft(""), "/name"),
        (KeyDraft("x" * 101), "/name"),
        (KeyDraft("x\u202ey"), "/name"),
        (KeyDraft("x", description="y" * 1001), "/description"),
        (KeyDraft("x", expires_at=START), "/expires_at"),
        (KeyDraft("x", expires_at=YESTERDAY), "/expires_at"),
        (KeyDraft("x", ip_allow=("10.0.0.0/8", "nonsense")), "/ip_allow/1"),
        (KeyDraft("x", ip_allow=("10.0.0.1",) * 65), "/ip_allow"),
        (KeyDraft("x", permissions=("items:read", "Items Read")), "/permissions/1"),
        (KeyDraft("x", permissions=("items:read",) * 201), "/permissions"),
        (KeyDraft("x", permissions=("items:read", "items:burn")), "/permissions/1"),
        (KeyDraft("x", permissions=("orders:*",)), "/permissions/0"),
        (KeyDraft("x", permissions=("keys:write",)), "/permissions/0"),
        (KeyDraft("x", permissions=("computers:enroll",)), "/permissions/0"),
        (KeyDraft("x", "admin", ("keys:read", "keys:burn")), "/permissions/1"),
        (KeyDraft("x", "robot"), "/type"),
    ],
)
async def test_lc_08_what_is_wrong_is_pointed_at(office: Office, draft: KeyDraft, pointer: str) -> None:
    """Each unacceptable value is refused with the JSON pointer of the place where it was written; no row."""
    with pytest.raises(Invalid) as refusal:
        await office.keys.create("a", draft, actor=ROOT)

    assert [pointer] == [at for at, _ in refusal.value.errors]
    assert 0 == await count(office)


async def test_pointers_count_in_the_order_given(office: Office) -> None:
    """The caller's list is not sorted before it is complained about."""
    draft = KeyDraft("x", permissions=("zebra:ride", "items:read", "aardvark:pet"))

    with pytest.raises(Invalid) as refusal:
        await office.keys.create("a", draft, actor=ROOT)

    assert ["/permissions/0", "/permissions/2"] == [at for at, _ in refusal.value.errors]


@pytest.mark.parametrize("given", [None, ("computers:enroll",)])
async def test_a_fixed_type_holds_what_it_holds(office: Office, given: tuple[str, ...] | None) -> None:
    """Absent or equal permissions make the same key, and the ceiling asks nothing of the creator."""
    doer = await office.admin("keys:write")

    made = await office.keys.create("a", KeyDraft("Laptop", "computer", given), actor=doer)

    assert ("computers:enroll",) == made.view.record.permissions


@pytest.mark.parametrize("given", [(), ("items:read",), ("computers:enroll", "items:read"), ("*",)])
async def test_a_fixed_type_holds_nothing_else(office: Office, given: tuple[str, ...]) -> None:
    """Other permissions than the fixed ones are refused, not dropped."""
    with pytest.raises(FixedPermissions):
        await office.keys.create("a", KeyDraft("Laptop", "computer", given), actor=ROOT)


async def test_a_plan_limits_what_can_be_made(office: Office) -> None:
    """On the plan teams there are computer keys and admin keys, and no others."""
    await office.teams.update("a", {"plan": "teams"}, actor=ROOT)

    for key_type in ("api", "scim"):
        with pytest.raises(PlanRequired):
            await office.keys.create("a", KeyDraft("x", key_type), actor=ROOT)
    for key_type in ("computer", "admin"):
        assert key_type == (await office.keys.create("a", KeyDraft("x", key_type), actor=ROOT)).view.record.key_type


async def test_a_team_has_one_key_of_a_one_per_team_type(office: Office) -> None:
    """A second one is refused while the first lives, disabled or not; another team has its own."""
    first = await office.key(key_type="computer", permissions=None)
    await office.keys.disable("a", first.view.record.id, actor=ROOT)

    with pytest.raises(KeyTypeTaken):
        await office.key(key_type="computer", permissions=None)
    await office.key("b", key_type="computer", permissions=None)
    await office.keys.delete("a", first.view.record.id, actor=ROOT)

    assert (await office.key(key_type="computer", permissions=None)).secret is not None


async def test_two_at_once_do_not_both_become_the_only_one(office: Office) -> None:
    """The limit is judged in the transaction, so of ten that race one wins."""
    answers = await asyncio.gather(
        *(office.key(key_type="computer", permissions=None) for _ in range(10)), return_exceptions=True
    )

    assert 9 == sum(isinstance(answer, KeyTypeTaken) for answer in answers)
    assert 1 == await count(office)


async def test_replacing_ends_the_old_key_with_the_birth_of_the_new(office: Office) -> None:
    """With replace the old key goes in the same revision, enabled or not, and the log names both."""
    old = (await office.key(key_type="computer", permissions=None)).view.record
    doer = await office.admin("keys:write", "keys:delete")

    new = (await office.keys.create("a", KeyDraft("New", "computer"), actor=doer, replace=True)).view.record

    tombstone = (await office.store.find(old.id)).record
    assert tombstone is not None
    assert tombstone.is_deleted
    assert new.revision == tombstone.revision
    told = {event.key_id: event for event in await office.events() if event.action == "key.replaced"}
    assert new.id == told[old.id].detail["replaced_by"]


async def test_replacing_needs_the_right_to_delete(office: Office) -> None:
    """Replace is a delete, so keys:write alone is refused, even where nothing would be deleted."""
    doer = await office.admin("keys:write")

    with pytest.raises(Forbidden) as refusal:
        await office.keys.create("a", KeyDraft("New", "computer"), actor=doer, replace=True)

    assert "keys:delete" == refusal.value.needed


async def test_replace_without_an_old_key_just_makes_one(office: Office) -> None:
    """Where nothing stands in the way nothing is deleted."""
    await office.key()

    await office.keys.create("a", KeyDraft("x"), actor=ROOT, replace=True)

    assert 2 == await count(office)


@pytest.mark.parametrize("team", ["b", "nowhere", "", "a\0", "\ud800"])
async def test_nothing_is_made_in_a_team_that_cannot_be_seen(office: Office, team: str) -> None:
    """Another's team answers like one that never was, and so does text that is no team's id."""
    doer = await office.admin("keys:write")

    with pytest.raises(NotFound, match=r"^there is no such team$"):
        await office.keys.create(team, KeyDraft("x"), actor=doer)


async def test_making_a_key_is_told_with_what_it_holds(office: Office) -> None:
    """The event commits with the key: who, from where, what was granted."""
    doer = await office.admin("keys:write", "items:read")
    made = (await office.keys.create("a", KeyDraft("CI", permissions=("items:read",)), actor=doer)).view.record

    event = (await office.events())[-1]

    assert ("key.created", "a", made.id) == (event.action, event.team, event.key_id)
    assert ("key", doer.id, "Admin", "192.0.2.7") == (event.actor_kind, event.actor_id, event.actor_name, event.ip)
    assert ("CI", ["items:read"]) == (event.detail["name"], event.detail["permissions"])
