"""Create and duplicate."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob import hashing
from keyfob.errors import (
    ExceedsOwnPermissions,
    FixedPermissions,
    Forbidden,
    Invalid,
    KeyTypeTaken,
    NotFound,
    PlanRequired,
)
from keyfob.key_drafts import KeyDraft
from keyfob.key_format import parse_key
from keyfob.key_listing import KeySearch
from keyfob.record import Creator
from tests.lifecycle.conftest import ROOT, START, acting

if TYPE_CHECKING:
    from tests.lifecycle.conftest import Office

YESTERDAY = START - timedelta(days=1)
TOMORROW = START + timedelta(days=1)


async def count(office: Office, team: str = "a") -> int:
    return len((await office.keys.list_keys(KeySearch(team, page_size=1000), actor=ROOT)).items)


async def test_lc_01_a_new_key_is_what_was_asked_for(office: Office) -> None:
    """The view shows every field, and the secret is a whole key of that type and id."""
    doer = await office.admin("keys:write", "items:read", "items:write")
    draft = KeyDraft("  CI  ", "api", ("items:write", "items:read"), "For\nbuilds", TOMORROW, ("10.0.0.0/8",))

    minted = await office.keys.create("a", draft, actor=doer)

    record = minted.view.record
    assert ("CI", "api", ("items:read", "items:write")) == (record.name, record.key_type, record.permissions)
    assert ("For\nbuilds", TOMORROW, ("10.0.0.0/8",)) == (record.description, record.expires_at, record.ip_allow)
    assert Creator("key", doer.id, "Admin") == record.created_by
    assert minted.view == await office.store.view(record.id)
    parsed = parse_key(minted.secret or "")
    assert parsed is not None
    assert ("api", record.id) == (parsed.key_type, parsed.key_id)


async def test_se_09_only_the_one_who_makes_a_key_sees_its_secret(office: Office) -> None:
    """Neither reading nor listing nor the audit log nor a repr holds any part of the secret or its hash."""
    minted = await office.key()
    parsed = parse_key(minted.secret or "")
    assert parsed is not None
    found = await office.store.find(parsed.key_id)
    assert found.secret is not None

    shown = [
        repr(await office.keys.get("a", parsed.key_id, actor=ROOT)),
        repr(await office.keys.list_keys(KeySearch("a"), actor=ROOT)),
        repr(await office.events()),
        repr(minted),
        repr(found),
    ]

    for text in shown:
        assert parsed.secret not in text
        assert parsed.tag + parsed.checksum not in text
        assert found.secret.hash not in text


async def test_aa_02_nobody_grants_what_they_do_not_hold(office: Office) -> None:
    """A creator with items:read cannot make a key with items:write: refused with the list, and no row."""
    doer = await office.admin("keys:write", "items:read")
    before = await count(office)

    with pytest.raises(ExceedsOwnPermissions) as refusal:
        await office.keys.create(
            "a", KeyDraft("x", permissions=("items:read", "items:write", "docs:secret")), actor=doer
        )

    assert ("docs:secret", "items:write") == refusal.value.missing
    assert before == await count(office)


# held by the creator, asked for the new key
WITHIN = [
    (("items:read",), ("items:read",)),
    (("items:*",), ("items:read", "items:write")),
    (("items:*",), ("items:*",)),
    (("*",), ("items:*", "docs:secret", "*")),
    (("items:read",), ()),
]
BEYOND = [
    (("items:read", "items:write"), ("items:*",)),
    (("items:*", "docs:*"), ("*",)),
    (("items:*",), ("docs:secret",)),
    ((), ("items:read",)),
]


@pytest.mark.parametrize(("held", "asked"), WITHIN)
async def test_what_the_creator_covers_can_be_granted(
    office: Office, held: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    """Wildcards hand on what they cover, and a key may hold nothing at all."""
    doer = await office.admin("keys:write", *held)

    made = await office.keys.create("a", KeyDraft("x", permissions=asked), actor=doer)

    assert tuple(sorted(asked)) == made.view.record.permissions


@pytest.mark.parametrize(("held", "asked"), BEYOND)
async def test_aa_02_what_the_creator_does_not_cover_cannot_be_granted(
    office: Office, held: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    """Only a wildcard covers a wildcard, however much is listed one by one."""
    doer = await office.admin("keys:write", *held)

    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.create("a", KeyDraft("x", permissions=asked), actor=doer)


async def test_aa_02_an_admin_key_hands_on_only_the_admin_permissions_that_it_holds(office: Office) -> None:
    """Making admin keys is under the same ceiling: keys:write alone cannot make a key that deletes."""
    doer = await office.admin("keys:write")

    with pytest.raises(ExceedsOwnPermissions) as refusal:
        await office.keys.create("a", KeyDraft("x", "admin", ("keys:write", "keys:delete")), actor=doer)

    assert ("keys:delete",) == refusal.value.missing


async def test_the_ceiling_is_judged_again_after_hashing(office: Office) -> None:
    """A creator that was narrowed while the new key was hashed grants nothing that it lost."""
    doer = await office.admin("keys:write", "items:read")
    await office.keys.update("a", doer.id or "", {"permissions": ["keys:write"]}, actor=ROOT)
    before = await count(office)

    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.create("a", KeyDraft("x", permissions=("items:read",)), actor=doer)

    assert before == await count(office)


@pytest.mark.parametrize("fall", ["disable", "expire", "delete"])
async def test_a_creator_that_fell_while_hashing_makes_nothing(office: Office, fall: str) -> None:
    """Disabled, expired or deleted between admission and commit is fallen."""
    made = await office.key(name="A", key_type="admin", permissions=("keys:write",), expires_at=TOMORROW)
    doer = acting(made)
    if fall == "expire":
        office.clock.pass_time(days=2)
    else:
        await office.keys.disable("a", made.view.record.id, actor=ROOT)
    if fall == "delete":
        await office.keys.delete("a", made.view.record.id, actor=ROOT)

    with pytest.raises(Forbidden):
        await office.keys.create("a", KeyDraft("x", permissions=()), actor=doer)


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


async def test_lc_10_a_copy_is_a_key_of_its_own(office: Office) -> None:
    """Id, secret, salt and history are its own; all else but the name is as in the original."""
    original = await office.key(
        description="d", permissions=("items:read", "items:write"), expires_at=TOMORROW, ip_allow=("10.0.0.0/8",)
    )
    source = original.view.record
    office.clock.pass_time(minutes=5)

    copy = await office.keys.duplicate("a", source.id, {}, actor=ROOT)

    record = copy.view.record
    assert replace(
        source,
        id=record.id,
        name="Copy of CI",
        created_at=START + timedelta(minutes=5),
        duplicated_from=source.id,
        revision=source.revision + 1,
    ) == (record)
    assert source.id != record.id
    assert copy.view.last_used is None
    parsed = [parse_key(made.secret or "") for made in (original, copy)]
    hashes = [(await office.store.find(key.key_id)).secret for key in parsed if key]
    opens = [[hashing.verify(stored.hash, key.secret) for key in parsed if key] for stored in hashes if stored]
    assert [[True, False], [False, True]] == opens
    assert 2 == len({stored.hash.split("$")[4] for stored in hashes if stored})


async def test_a_copy_takes_what_is_overridden(office: Office) -> None:
    """Every field that can be set can be given anew, and null clears it."""
    source = (await office.key(description="d", expires_at=TOMORROW, ip_allow=("10.0.0.0/8",))).view.record
    given = {
        "name": "Mine",
        "description": None,
        "permissions": ["items:write"],
        "expires_at": None,
        "ip_allow": ["192.0.2.1"],
    }

    record = (await office.keys.duplicate("a", source.id, given, actor=ROOT)).view.record

    assert ("Mine", None, ("items:write",)) == (record.name, record.description, record.permissions)
    assert (None, ("192.0.2.1",)) == (record.expires_at, record.ip_allow)


async def test_the_name_of_a_copy_is_cut_to_its_limit(office: Office) -> None:
    """A copy of a long name still has a name of at most 100 characters, without a space at its end."""
    source = (await office.key(name="x" * 91 + " " + "y" * 8)).view.record

    copy = (await office.keys.duplicate("a", source.id, {}, actor=ROOT)).view.record

    assert "Copy of " + "x" * 91 == copy.name


@pytest.mark.parametrize(
    ("overrides", "pointer"),
    [
        ({"type": "scim"}, "/type"),
        ({"team": "b"}, "/team"),
        ({"name": None}, "/name"),
        ({"permissions": ["a:b"]}, "/permissions/0"),
    ],
)
async def test_a_copy_takes_nothing_else(office: Office, overrides: dict[str, object], pointer: str) -> None:
    """What cannot be set is refused by its pointer."""
    source = (await office.key()).view.record

    with pytest.raises(Invalid) as refusal:
        await office.keys.duplicate("a", source.id, overrides, actor=ROOT)

    assert [pointer] == [at for at, _ in refusal.value.errors]


async def test_aa_04_a_stronger_key_is_not_copied(office: Office) -> None:
    """A copy hands out what it holds, so the ceiling applies; overriding the permissions lowers them below it."""
    strong = (await office.key(permissions=("docs:secret", "items:read"))).view.record
    doer = await office.admin("keys:write", "items:read")

    with pytest.raises(ExceedsOwnPermissions) as refusal:
        await office.keys.duplicate("a", strong.id, {}, actor=doer)
    weaker = await office.keys.duplicate("a", strong.id, {"permissions": ["items:read"]}, actor=doer)

    assert ("docs:secret",) == refusal.value.missing
    assert ("items:read",) == weaker.view.record.permissions


async def test_aa_04_a_copy_of_a_disabled_key_is_active(office: Office) -> None:
    """Being switched off belongs to the one key, not to its copies."""
    source = (await office.key()).view.record
    await office.keys.disable("a", source.id, actor=ROOT)

    copy = (await office.keys.duplicate("a", source.id, {}, actor=ROOT)).view.record

    assert not copy.is_disabled


async def test_an_expiry_that_has_passed_is_not_copied(office: Office) -> None:
    """The copy must be given another one; null is one."""
    source = (await office.key(expires_at=TOMORROW)).view.record
    office.clock.pass_time(days=1)

    with pytest.raises(Invalid, match="The key that you copy has expired") as refusal:
        await office.keys.duplicate("a", source.id, {}, actor=ROOT)
    copy = (await office.keys.duplicate("a", source.id, {"expires_at": None}, actor=ROOT)).view.record

    assert ["/expires_at"] == [at for at, _ in refusal.value.errors]
    assert copy.expires_at is None


async def test_a_one_per_team_key_is_not_copied(office: Office) -> None:
    """There would be two."""
    source = (await office.key(key_type="computer", permissions=None)).view.record

    with pytest.raises(KeyTypeTaken):
        await office.keys.duplicate("a", source.id, {}, actor=ROOT)
    with pytest.raises(FixedPermissions):
        await office.keys.duplicate("a", source.id, {"permissions": ["items:read"]}, actor=ROOT)


async def test_a_suspended_key_is_not_copied(office: Office) -> None:
    """The plan that refuses the key refuses its copies."""
    source = (await office.key()).view.record
    await office.teams.update("a", {"plan": "teams"}, actor=ROOT)

    with pytest.raises(PlanRequired):
        await office.keys.duplicate("a", source.id, {}, actor=ROOT)


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
