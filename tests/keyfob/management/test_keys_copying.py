"""Duplicate: what a copy takes over, what it is given anew, and what is not copied."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ExceedsOwnPermissions, FixedPermissions, Invalid, KeyTypeTaken, PlanRequired
from keyfob.keys import hashing
from keyfob.keys.format import parse_key
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office

TOMORROW = START + timedelta(days=1)


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
