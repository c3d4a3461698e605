"""Somebody who can do everything is always left."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import LastAdmin
from keyfob.management.key_drafts import KeyDraft
from keyfob.policy.key_types import KeyType
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from tests.keyfob.management.conftest import Office

TOMORROW = START + timedelta(days=1)


async def root(office: Office, team: str = "a") -> KeyRecord:
    return (await office.key(team, name="Root", key_type="admin", permissions=("*",))).view.record


DEMOTIONS: list[dict[str, object]] = [
    {"permissions": ["keys:read"]},
    {"permissions": ["items:*", "keys:write"]},
    {"expires_at": TOMORROW},
    {"ip_allow": ["192.0.2.0/24"]},
]


@pytest.mark.parametrize("patch", DEMOTIONS)
async def test_aa_14_the_last_admin_key_is_not_demoted(office: Office, patch: dict[str, object]) -> None:
    """Fewer permissions, an expiry or a list of addresses would each leave nobody who can fix things."""
    last = await root(office)

    with pytest.raises(LastAdmin):
        await office.keys.update("a", last.id, patch, actor=ROOT)

    assert last == (await office.keys.get("a", last.id, actor=ROOT)).record


async def test_aa_14_the_last_admin_key_is_not_disabled(office: Office) -> None:
    """Disabling is refused, and so it can't be deleted either; nothing is told."""
    last = await root(office)
    events = len(await office.events())

    with pytest.raises(LastAdmin):
        await office.keys.disable("a", last.id, actor=ROOT)

    assert last == (await office.keys.get("a", last.id, actor=ROOT)).record
    assert events == len(await office.events())


NO_STAND_INS: list[dict[str, object]] = [
    {"expires_at": TOMORROW},
    {"ip_allow": ("192.0.2.0/24",)},
    {"permissions": ("keys:write", "teams:write", "items:*")},
]


@pytest.mark.parametrize("other", NO_STAND_INS)
async def test_aa_14_a_limited_admin_key_is_no_stand_in(office: Office, other: dict[str, object]) -> None:
    """A key that expires, is bound to addresses, or lacks the star doesn't count."""
    last = await root(office)
    await office.key(**{"name": "Other", "key_type": "admin", "permissions": ("*",), **other})

    with pytest.raises(LastAdmin):
        await office.keys.disable("a", last.id, actor=ROOT)


async def test_aa_14_a_disabled_admin_key_is_no_stand_in(office: Office) -> None:
    """Of two, one can be disabled and then the other can't; enabled again it stands in."""
    one, two = await root(office), await root(office)
    await office.keys.disable("a", one.id, actor=ROOT)

    with pytest.raises(LastAdmin):
        await office.keys.disable("a", two.id, actor=ROOT)
    await office.keys.enable("a", one.id, actor=ROOT)

    assert (await office.keys.disable("a", two.id, actor=ROOT)).view.record.is_disabled


async def test_aa_14_the_whole_installation_is_looked_at(office: Office) -> None:
    """An admin key of another team stands in."""
    one = await root(office, "a")
    await root(office, "b")

    assert (await office.keys.disable("a", one.id, actor=ROOT)).view.record.is_disabled


async def test_aa_14_two_that_race_do_not_both_fall(office: Office) -> None:
    """The question is asked in the transaction, so one of them is refused."""
    one, two = await root(office, "a"), await root(office, "b")

    answers = await asyncio.gather(
        office.keys.disable("a", one.id, actor=ROOT),
        office.keys.disable("b", two.id, actor=ROOT),
        return_exceptions=True,
    )

    assert 1 == sum(isinstance(answer, LastAdmin) for answer in answers)


async def test_aa_14_the_last_admin_key_is_replaced_only_by_its_like(office: Office) -> None:
    """Where admin keys are one per team, replacing goes by what the new one can do."""
    single = {**office.catalogue.key_types, "admin": KeyType("admin", "Admin key", per_team=1)}
    office.catalogue = replace(office.catalogue, key_types=single)
    last = await root(office)

    with pytest.raises(LastAdmin):
        await office.keys.create("a", KeyDraft("Weak", "admin", ("keys:read",)), actor=ROOT, replace=True)
    assert last == (await office.keys.get("a", last.id, actor=ROOT)).record
    strong = await office.keys.create("a", KeyDraft("Strong", "admin", ("*",)), actor=ROOT, replace=True)

    assert strong.secret is not None


async def test_other_keys_come_and_go_without_any_admin_key(office: Office) -> None:
    """The rule protects the last admin key; it does not freeze an installation that has none."""
    key = (await office.key()).view.record

    await office.keys.disable("a", key.id, actor=ROOT)
    await office.keys.delete("a", key.id, actor=ROOT)


async def test_a_rename_of_the_last_admin_key_is_fine(office: Office) -> None:
    """It can still do everything."""
    last = await root(office)

    assert "Captain" == (await office.keys.update("a", last.id, {"name": "Captain"}, actor=ROOT)).record.name
