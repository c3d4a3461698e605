"""Disable, enable, delete."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ExceedsOwnPermissions, Forbidden, KeyNotDisabled, NotFound
from keyfob.keys.record import State
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office


async def test_lc_04_disabling_twice_is_disabling_once(office: Office) -> None:
    """The second disable changes neither the key, nor the revision, nor the audit log."""
    key = (await office.key()).view.record
    first = await office.keys.disable("a", key.id, actor=ROOT)
    revision, events = await office.revision(), len(await office.events())
    office.clock.pass_time(hours=1)

    second = await office.keys.disable("a", key.id, actor=ROOT)

    assert START == second.view.record.disabled_at
    assert first.view == second.view
    assert (revision, events) == (await office.revision(), len(await office.events()))


async def test_lc_04_enabling_twice_is_enabling_once(office: Office) -> None:
    """The second enable changes neither the key, nor the revision, nor the audit log."""
    key = (await office.key()).view.record
    await office.keys.disable("a", key.id, actor=ROOT)
    first = await office.keys.enable("a", key.id, actor=ROOT)
    revision, events = await office.revision(), len(await office.events())

    second = await office.keys.enable("a", key.id, actor=ROOT)

    assert first.view == second.view
    assert second.view.record.disabled_at is None
    assert (revision, events) == (await office.revision(), len(await office.events()))


async def test_each_switch_moves_the_revision_once(office: Office) -> None:
    """One change is one revision, and the key carries it."""
    key = (await office.key()).view.record

    disabled = (await office.keys.disable("a", key.id, actor=ROOT)).view.record
    enabled = (await office.keys.enable("a", key.id, actor=ROOT)).view.record

    assert [key.revision + 1, key.revision + 2] == [disabled.revision, enabled.revision]
    assert enabled == (await office.keys.get("a", key.id, actor=ROOT)).record


async def test_a_switch_says_by_when_every_worker_knows(office: Office) -> None:
    """At once where one signal serves all workers, and after max_staleness where it does not."""
    key = (await office.key()).view.record
    wait = timedelta(seconds=0 if office.store.is_immediate else 2)

    assert START + wait == (await office.keys.disable("a", key.id, actor=ROOT)).effective_by


async def test_lc_02_an_enabled_key_is_not_deleted(office: Office) -> None:
    """Deleting asks for a disabled key; the key stays as it was."""
    key = (await office.key()).view.record

    with pytest.raises(KeyNotDisabled):
        await office.keys.delete("a", key.id, actor=ROOT)

    assert key == (await office.keys.get("a", key.id, actor=ROOT)).record


async def test_lc_03_a_deleted_key_is_gone_for_every_verb(office: Office) -> None:
    """After disable and delete, each verb answers like for a key that never was."""
    key = (await office.key()).view.record
    await office.keys.disable("a", key.id, actor=ROOT)
    await office.keys.delete("a", key.id, actor=ROOT)

    verbs = [
        office.keys.get("a", key.id, actor=ROOT),
        office.keys.update("a", key.id, {"name": "x"}, actor=ROOT),
        office.keys.disable("a", key.id, actor=ROOT),
        office.keys.enable("a", key.id, actor=ROOT),
        office.keys.duplicate("a", key.id, {}, actor=ROOT),
        office.keys.usage.days("a", key.id, actor=ROOT),
        office.keys.delete("a", key.id, actor=ROOT),
    ]
    for verb in verbs:
        with pytest.raises(NotFound):
            await verb
    found = await office.store.find(key.id)
    assert found.secret is None


async def test_lc_08_an_expired_key_can_be_enabled_and_stays_expired(office: Office) -> None:
    """Enabling undoes a disable, not the calendar."""
    key = (await office.key(expires_at=START + timedelta(hours=1))).view.record
    await office.keys.disable("a", key.id, actor=ROOT)
    office.clock.pass_time(hours=1)

    enabled = (await office.keys.enable("a", key.id, actor=ROOT)).view.record

    assert State.EXPIRED is office.keys.state(enabled)


async def test_aa_07_a_stronger_key_can_be_disabled(office: Office) -> None:
    """Stopping a key needs keys:write and nothing of what the key holds."""
    strong = (await office.key(permissions=("docs:secret", "items:*"))).view.record
    warden = await office.admin("keys:write")

    disabled = (await office.keys.disable("a", strong.id, actor=warden)).view.record

    assert State.DISABLED is office.keys.state(disabled)


async def test_a_stronger_key_is_not_enabled(office: Office) -> None:
    """Enabling hands out what the key holds, so the ceiling applies; the key stays disabled."""
    strong = (await office.key(permissions=("docs:secret", "items:read"))).view.record
    warden = await office.admin("keys:write", "items:read")
    await office.keys.disable("a", strong.id, actor=warden)

    with pytest.raises(ExceedsOwnPermissions) as refusal:
        await office.keys.enable("a", strong.id, actor=warden)

    assert ("docs:secret",) == refusal.value.missing
    assert (await office.keys.get("a", strong.id, actor=ROOT)).record.is_disabled


async def test_a_key_of_a_fixed_type_is_enabled_without_holding_its_permissions(office: Office) -> None:
    """What every key of a type holds is no choice, so the ceiling leaves it out."""
    computer = (await office.key(key_type="computer", permissions=None)).view.record
    warden = await office.admin("keys:write")
    await office.keys.disable("a", computer.id, actor=warden)

    assert not (await office.keys.enable("a", computer.id, actor=warden)).view.record.is_disabled


@pytest.mark.parametrize(
    ("held", "needed"),
    [(("keys:read", "keys:write"), "keys:delete"), (("keys:read", "keys:delete"), "keys:write")],
)
async def test_each_verb_asks_for_its_own_permission(office: Office, held: tuple[str, ...], needed: str) -> None:
    """Deleting needs keys:delete and switching needs keys:write; one does not stand in for the other."""
    key = (await office.key()).view.record
    doer = await office.admin(*held)
    verb = office.keys.delete if needed == "keys:delete" else office.keys.disable

    with pytest.raises(Forbidden) as refusal:
        await verb("a", key.id, actor=doer)

    assert needed == refusal.value.needed


async def test_a_change_by_a_key_that_was_revoked_meanwhile_is_refused(office: Office) -> None:
    """The actor is judged again in the transaction: what was admitted before its disable changes nothing after."""
    key = (await office.key()).view.record
    doer = await office.admin("keys:write")
    await office.keys.disable("a", doer.id or "", actor=ROOT)

    with pytest.raises(Forbidden):
        await office.keys.disable("a", key.id, actor=doer)

    assert not (await office.keys.get("a", key.id, actor=ROOT)).record.is_disabled


async def test_a_key_that_was_narrowed_meanwhile_deletes_nothing(office: Office) -> None:
    """keys:delete is asked for again in the transaction."""
    key = (await office.key()).view.record
    doer = await office.admin("keys:delete", "keys:read")
    await office.keys.disable("a", key.id, actor=ROOT)
    await office.keys.update("a", doer.id or "", {"permissions": ["keys:read"]}, actor=ROOT)

    with pytest.raises(Forbidden):
        await office.keys.delete("a", key.id, actor=doer)

    assert (await office.keys.get("a", key.id, actor=ROOT)).record.is_disabled


async def test_the_display_form_names_a_key_as_well(office: Office) -> None:
    """People copy what they see."""
    key = (await office.key()).view.record

    assert key == (await office.keys.get("a", f"kf_api_{key.id}", actor=ROOT)).record
