"""Rotate: what the new key takes over, how long the old one lives, and who may not be replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import (
    AlreadyRotated,
    ExceedsOwnLimits,
    ExceedsOwnPermissions,
    Invalid,
    KeyNotActive,
    KeyTypeTaken,
    LastAdmin,
    PreconditionFailed,
)
from keyfob.keys.record import State
from keyfob.management.audit.audit_verification import verify_audit
from keyfob.management.idempotency import IdempotencyKey
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from tests.keyfob.management.conftest import Office

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


pytestmark = pytest.mark.both_engines


async def now(office: Office, record: KeyRecord) -> KeyRecord:
    """The key as it is now."""
    view = await office.store.view(record.id)
    assert view is not None
    return view.record


async def test_the_new_key_is_like_the_old_one_its_lifetime_afresh(office: Office) -> None:
    """All but id, secret and time is the same; the old key ends after the overlap and knows its successor."""
    old = (
        await office.key(
            description="d",
            expires_at=START + 30 * DAY,
            ip_allow=("10.0.0.0/8",),
            metadata={"seats": 5},
            external_id="org_1",
        )
    ).view.record
    office.clock.pass_time(days=10)

    created = await office.keys.rotate("a", old.id, {}, overlap="24h", actor=ROOT)

    new = created.view.record
    at = START + 10 * DAY
    changed = {"id": new.id, "created_at": at, "expires_at": at + 30 * DAY, "replaces": old.id, "limits_id": old.id}
    assert replace(old, **changed, revision=old.revision + 1) == new  # type: ignore[arg-type]
    ended = replace(old, replaced_by=new.id, replaced_at=at, expires_at=at + DAY, revision=new.revision)
    assert ended == created.replaced == await now(office, old)
    assert created.secret
    assert new == await now(office, new)


@pytest.mark.parametrize(
    ("overlap", "expires", "ends"),
    [
        ("0s", None, START),
        ("90d", None, START + 90 * DAY),
        (None, None, None),
        (None, START + DAY, START + DAY),
        ("24h", START + HOUR, START + HOUR),
        ("90min", START + DAY, START + 1.5 * HOUR),
    ],
)
async def test_the_old_key_ends_after_the_overlap_and_never_later_than_it_would(
    office: Office, overlap: str | None, expires: object, ends: object
) -> None:
    """The earlier of the two ends counts; null leaves the end to others."""
    old = (await office.key(expires_at=expires)).view.record

    created = await office.keys.rotate("a", old.id, {}, overlap=overlap, actor=ROOT)

    assert created.replaced is not None
    assert ends == created.replaced.expires_at
    assert created.replaced.ended_when_replaced is (overlap == "0s")


@pytest.mark.parametrize(
    "overlap",
    ["91d", "2161h", "-1s", "24", "1m", "", "1.5h", "\u0661h", pytest.param(24, id="a number"), "9999999999d"],
)
async def test_an_overlap_that_is_none_is_refused(office: Office, overlap: str) -> None:
    """Only whole lengths from 0s to 90d; nothing is guessed."""
    old = (await office.key()).view.record

    with pytest.raises(Invalid) as refusal:
        await office.keys.rotate("a", old.id, {}, overlap=overlap, actor=ROOT)

    assert ["/overlap"] == [at for at, _ in refusal.value.errors]


async def test_a_key_is_replaced_once(office: Office) -> None:
    """The second time names the successor, also after the first one ended; its successor can be replaced."""
    old = (await office.key()).view.record
    new = (await office.keys.rotate("a", old.id, {}, overlap="0s", actor=ROOT)).view.record

    with pytest.raises(AlreadyRotated) as refusal:
        await office.keys.rotate("a", old.id, {}, actor=ROOT)
    third = await office.keys.rotate("a", new.id, {}, actor=ROOT)

    assert new.id == refusal.value.successor
    assert new.id == third.view.record.replaces


@pytest.mark.parametrize("state", [State.DISABLED, State.EXPIRED, State.SUSPENDED])
async def test_only_an_active_key_is_replaced(office: Office, state: State) -> None:
    """What is refused already needs no successor beside it."""
    old = (await office.key(expires_at=START + DAY)).view.record
    if state is State.DISABLED:
        await office.keys.disable("a", old.id, actor=ROOT)
    elif state is State.EXPIRED:
        office.clock.pass_time(days=1)
    else:
        await office.teams.update("a", {"plan": "teams"}, actor=ROOT)

    refusals = (KeyNotActive,)
    with pytest.raises(refusals, match=str(state)):
        await office.keys.rotate("a", old.id, {}, actor=ROOT)


async def test_a_one_per_team_key_is_replaced_without_a_gap(office: Office) -> None:
    """One replaced key stands beside the live one; while it lives, its successor is not replaced in turn."""
    old = (await office.key(key_type="computer", permissions=None)).view.record
    new = (await office.keys.rotate("a", old.id, {}, overlap="24h", actor=ROOT)).view.record

    with pytest.raises(KeyTypeTaken, match="still lives"):
        await office.keys.rotate("a", new.id, {}, actor=ROOT)
    with pytest.raises(KeyTypeTaken):
        await office.key(key_type="computer", permissions=None)
    office.clock.pass_time(days=1)
    third = await office.keys.rotate("a", new.id, {}, actor=ROOT)

    assert new.id == third.view.record.replaces


async def test_the_end_of_a_replaced_key_only_moves_earlier(office: Office) -> None:
    """Later or never is refused; sooner is not, and any end where there was none."""
    old = (await office.key()).view.record
    endless = (await office.key(name="endless")).view.record
    await office.keys.rotate("a", old.id, {}, overlap="24h", actor=ROOT)
    await office.keys.rotate("a", endless.id, {}, overlap=None, actor=ROOT)

    for later in (START + 2 * DAY, None):
        with pytest.raises(Invalid) as refusal:
            await office.keys.update("a", old.id, {"expires_at": later}, actor=ROOT)
        assert ["/expires_at"] == [at for at, _ in refusal.value.errors]
    sooner = await office.keys.update("a", old.id, {"expires_at": START + HOUR}, actor=ROOT)
    ended = await office.keys.update("a", endless.id, {"expires_at": START + 99 * DAY}, actor=ROOT)

    assert START + HOUR == sooner.record.expires_at
    assert START + 99 * DAY == ended.record.expires_at


async def test_the_ceiling_applies_to_the_new_key(office: Office) -> None:
    """Nobody gets more by rotating than by creating: permissions and lifetime are judged as they will be."""
    strong = (await office.key(permissions=("docs:secret",))).view.record
    doer = await office.admin("keys:write", "items:read")
    made = await office.key(
        name="short", key_type="admin", permissions=("keys:write", "items:read"), expires_at=START + DAY
    )
    short = replace(doer, id=made.view.record.id, expires_at=START + DAY)
    weak = (await office.key()).view.record

    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.rotate("a", strong.id, {}, actor=doer)
    with pytest.raises(ExceedsOwnLimits):
        await office.keys.rotate("a", weak.id, {}, actor=short)
    await office.keys.rotate("a", weak.id, {"expires_at": START + HOUR}, actor=short)


async def test_the_last_root_key_is_replaced_only_by_another(office: Office) -> None:
    """A successor that expires leaves nobody who can do everything; one that does not is as good as before."""
    root = (await office.key(name="root", key_type="admin", permissions=("*",))).view.record

    with pytest.raises(LastAdmin):
        await office.keys.rotate("a", root.id, {"expires_at": START + DAY}, actor=ROOT)
    created = await office.keys.rotate("a", root.id, {}, overlap="0s", actor=ROOT)

    assert ("*",) == created.view.record.permissions


async def test_a_repeated_rotation_makes_one_key(office: Office) -> None:
    """Under the same Idempotency-Key the first answer comes again, without the secret."""
    old = (await office.key()).view.record
    same = IdempotencyKey("scope", b"digest")

    first = await office.keys.rotate("a", old.id, {}, actor=ROOT, idempotency=same)
    again = await office.keys.rotate("a", old.id, {}, actor=ROOT, idempotency=same)

    assert first.view.record == again.view.record
    assert (None, True) == (again.secret, again.replayed)
    assert first.replaced == again.replaced


async def test_a_precondition_is_that_of_the_old_key(office: Office) -> None:
    """Whoever saw an older state of the key replaces nothing."""
    old = (await office.key()).view.record

    def changed(revision: int) -> None:
        raise PreconditionFailed(str(revision))

    with pytest.raises(PreconditionFailed, match=str(old.revision)):
        await office.keys.rotate("a", old.id, {}, actor=ROOT, precondition=changed)

    assert not (await now(office, old)).is_replaced


async def test_a_rotation_stands_in_the_audit_log(office: Office) -> None:
    """Both keys have an event that says what they are now, and a forged end is found."""
    old = (await office.key(metadata={"a": 1.5}, external_id="x")).view.record
    new = (await office.keys.rotate("a", old.id, {"metadata": {"b": True}}, actor=ROOT)).view.record
    entries = {office.signing_key.char: office.signing_key}

    made, ended = (await office.events())[-2:]
    assert [("key.rotated", old.id), ("key.created", new.id)] == [
        (event.action, event.key_id) for event in (made, ended)
    ]
    whole = await verify_audit(office.store, entries)
    assert [] == [found for found in whole.differences if found.row.startswith("key")]

    async def forge(rows: object) -> None:
        await rows.put_key(replace(await now(office, old), replaced_by=None, expires_at=None))  # type: ignore[attr-defined]

    await office.store.change(forge)
    forged = await verify_audit(office.store, entries)
    found = {difference.what.partition(" ")[0] for difference in forged.differences if old.id in difference.row}
    assert {"expires_at", "replaced_by"} <= found
