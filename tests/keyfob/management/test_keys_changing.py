"""Merge patches: what they change, who may widen, and what the log says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ExceedsOwnPermissions, FixedPermissions, Invalid, PreconditionFailed
from keyfob.management.audited_state import state_of_key
from keyfob.management.keys import KeyLifecycle
from keyfob.policy.catalogue import build_catalogue
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office

pytestmark = pytest.mark.both_engines
TOMORROW = START + timedelta(days=1)
NEXT_WEEK = START + timedelta(days=7)


async def test_lc_12_permissions_are_what_was_set_last(office: Office) -> None:
    """Adding and removing each move the revision once, and the record that workers read says the same."""
    key = (await office.key()).view.record

    added = (await office.keys.update("a", key.id, {"permissions": ["items:write", "items:read"]}, actor=ROOT)).record
    removed = (await office.keys.update("a", key.id, {"permissions": ["items:write"]}, actor=ROOT)).record

    assert ("items:read", "items:write") == added.permissions
    assert ("items:write",) == removed.permissions
    assert [key.revision + 1, key.revision + 2] == [added.revision, removed.revision]
    changes = await office.store.changes(key.revision)
    assert (removed,) == changes.records


async def test_null_clears_what_may_be_empty(office: Office) -> None:
    """A merge patch says null to take a value away; what it does not name stays."""
    key = (await office.key(description="d", expires_at=TOMORROW, ip_allow=("10.0.0.0/8",))).view.record

    patch = {"description": None, "expires_at": None, "ip_allow": None}
    record = (await office.keys.update("a", key.id, patch, actor=ROOT)).record

    assert (None, None, ()) == (record.description, record.expires_at, record.ip_allow)
    assert (key.name, key.permissions) == (record.name, record.permissions)


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"permissions": None}, "/permissions"),
        ({"permissions": "*"}, "/permissions"),
        ({"permissions": ["items:read", "items:burn"]}, "/permissions/1"),
        ({"expires_at": START}, "/expires_at"),
        ({"ip_allow": ["10.0.0.1/8"]}, "/ip_allow/0"),
        ({"state": "active"}, "/state"),
        ({"team": "b"}, "/team"),
        ({"type": "admin"}, "/type"),
        ({"disabled_at": None}, "/disabled_at"),
    ],
)
async def test_a_patch_that_is_wrong_changes_nothing(office: Office, patch: dict[str, object], pointer: str) -> None:
    """The place is pointed at, and the right half of a wrong patch is not applied either."""
    key = (await office.key()).view.record

    with pytest.raises(Invalid) as refusal:
        await office.keys.update("a", key.id, {"description": "new", **patch}, actor=ROOT)

    assert [pointer] == [at for at, _ in refusal.value.errors]
    assert key == (await office.keys.get("a", key.id, actor=ROOT)).record


async def test_a_patch_without_a_change_bumps_nothing(office: Office) -> None:
    """Setting what is there already makes no revision and no event."""
    key = (await office.key()).view.record
    revision, events = await office.revision(), len(await office.events())

    for patch in ({}, {"name": " CI "}, {"permissions": ["items:read", "items:read"]}, {"expires_at": None}):
        assert key == (await office.keys.update("a", key.id, patch, actor=ROOT)).record

    assert (revision, events) == (await office.revision(), len(await office.events()))


async def test_a_patch_of_an_old_revision_is_refused(office: Office) -> None:
    """If-Match holds the revision that the caller read; any change since, a plan's too, makes it stale."""
    key = (await office.key()).view.record
    await office.keys.update("a", key.id, {"name": "New"}, actor=ROOT, if_match=key.revision)

    with pytest.raises(PreconditionFailed):
        await office.keys.update("a", key.id, {"name": "Newer"}, actor=ROOT, if_match=key.revision)

    assert "New" == (await office.keys.get("a", key.id, actor=ROOT)).record.name


STRONG = {
    "permissions": ("docs:secret", "items:read"),
    "expires_at": TOMORROW,
    "ip_allow": ("10.0.0.0/8", "2001:db8::/32"),
}
NARROWS: list[dict[str, object]] = [
    {"name": "Renamed"},
    {"description": "d"},
    {"permissions": ["docs:secret"]},
    {"permissions": []},
    {"expires_at": START + timedelta(hours=1)},
    {"ip_allow": ["10.0.0.0/8"]},
    {"ip_allow": ["10.1.2.3", "2001:db8:1::/48", "10.0.0.0/9"]},
]
WIDENS: list[dict[str, object]] = [
    {"permissions": ["docs:secret", "items:read", "items:write"]},
    {"permissions": ["docs:secret", "items:write"]},
    {"expires_at": None},
    {"expires_at": NEXT_WEEK},
    {"ip_allow": None},
    {"ip_allow": []},
    {"ip_allow": ["10.0.0.0/8", "192.0.2.1"]},
    {"ip_allow": ["10.0.0.0/7"]},
    {"ip_allow": ["::/0"]},
    {"ip_allow": ["0.0.0.0/0"]},
]


@pytest.mark.parametrize("patch", NARROWS)
async def test_narrowing_needs_only_keys_write(office: Office, patch: dict[str, object]) -> None:
    """Who may write keys may rename and narrow a stronger one."""
    strong = (await office.key(**STRONG)).view.record
    doer = await office.admin("keys:write", "items:write")

    changed = (await office.keys.update("a", strong.id, patch, actor=doer)).record

    assert strong.revision < changed.revision


@pytest.mark.parametrize("patch", WIDENS)
async def test_aa_02_widening_is_judged_on_what_results(office: Office, patch: dict[str, object]) -> None:
    """Who lacks docs:secret does not open a key that holds it any wider, not even by what they do hold."""
    strong = (await office.key(**STRONG)).view.record
    doer = await office.admin("keys:write", "items:*")

    with pytest.raises(ExceedsOwnPermissions) as refusal:
        await office.keys.update("a", strong.id, patch, actor=doer)

    assert ("docs:secret",) == refusal.value.missing
    assert strong == (await office.keys.get("a", strong.id, actor=ROOT)).record


@pytest.mark.parametrize("patch", WIDENS)
async def test_who_holds_it_all_may_widen(office: Office, patch: dict[str, object]) -> None:
    """The same changes pass for one who covers the resulting permissions."""
    strong = (await office.key(**STRONG)).view.record
    doer = await office.admin("keys:write", "items:*", "docs:secret")

    assert strong.revision < (await office.keys.update("a", strong.id, patch, actor=doer)).record.revision


async def test_a_first_list_of_addresses_narrows(office: Office) -> None:
    """An empty list admits every address, so any list is less."""
    strong = (await office.key(permissions=("docs:secret",))).view.record
    doer = await office.admin("keys:write")

    assert ("::/0",) == (await office.keys.update("a", strong.id, {"ip_allow": ["::/0"]}, actor=doer)).record.ip_allow


async def test_addresses_of_one_kind_are_not_among_those_of_the_other(office: Office) -> None:
    """All of IPv6 holds no IPv4 address: whoever adds one opens the key wider."""
    strong = (await office.key(permissions=("docs:secret",), ip_allow=("::/0",))).view.record
    doer = await office.admin("keys:write")

    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.update("a", strong.id, {"ip_allow": ["192.0.2.1"]}, actor=doer)


async def test_widening_while_taking_away_is_fine_within_the_ceiling(office: Office) -> None:
    """A patch that drops what the caller lacks and adds what it holds leaves a key below the ceiling."""
    strong = (await office.key(**STRONG)).view.record
    doer = await office.admin("keys:write", "items:*")

    changed = await office.keys.update("a", strong.id, {"permissions": ["items:write"]}, actor=doer)

    assert ("items:write",) == changed.record.permissions


async def test_fixed_permissions_stay_fixed(office: Office) -> None:
    """Equal permissions are no change, others are refused; all else of such a key can be changed and widened."""
    computer = (await office.key(key_type="computer", permissions=None, expires_at=TOMORROW)).view.record
    doer = await office.admin("keys:write")

    with pytest.raises(FixedPermissions):
        await office.keys.update("a", computer.id, {"permissions": []}, actor=doer)
    same = {"permissions": ["computers:enroll"]}
    assert computer == (await office.keys.update("a", computer.id, same, actor=doer)).record
    assert (await office.keys.update("a", computer.id, {"expires_at": None}, actor=doer)).record.expires_at is None


async def test_a_permission_that_left_the_catalogue_may_stay_but_not_come(office: Office) -> None:
    """A key that holds it can still be renamed and narrowed; no key gets it anew, by copying neither."""
    key = (await office.key(permissions=("docs:secret", "items:read"))).view.record
    other = (await office.key()).view.record
    office.catalogue = build_catalogue(permissions=["items:read", "items:write"])

    kept = await office.keys.update("a", key.id, {"permissions": ["docs:secret"], "name": "Old"}, actor=ROOT)

    assert ("docs:secret",) == kept.record.permissions
    with pytest.raises(Invalid):
        await office.keys.update("a", other.id, {"permissions": ["docs:secret"]}, actor=ROOT)
    with pytest.raises(Invalid):
        await office.keys.duplicate("a", key.id, {}, actor=ROOT)


async def test_a_change_is_told_with_before_and_after(office: Office) -> None:
    """The log names what was added and taken, and old and new; of a description only that it changed."""
    key = (await office.key(description="old words")).view.record
    patch = {"name": "New", "description": "new words", "permissions": ["items:write"], "expires_at": TOMORROW}
    await office.keys.update("a", key.id, patch, actor=ROOT)

    event = (await office.events())[-1]

    assert "key.updated" == event.action
    assert {
        "name": {"from": "CI", "to": "New"},
        "description": "changed",
        "permissions": {"added": ["items:write"], "removed": ["items:read"]},
        "expires_at": {"from": None, "to": TOMORROW.isoformat().replace("+00:00", "Z")},
        "after": state_of_key((await office.store.view(key.id)).record),  # type: ignore[union-attr] # it is there
    } == event.detail


async def test_a_refused_change_is_not_told(office: Office) -> None:
    """Event and change commit together or not at all."""
    strong = (await office.key(**STRONG)).view.record
    doer = await office.admin("keys:write")
    events = len(await office.events())

    with pytest.raises(ExceedsOwnPermissions):
        await office.keys.update("a", strong.id, {"expires_at": None}, actor=doer)

    assert events == len(await office.events())


async def test_a_change_reaches_other_hosts_within_max_staleness(office: Office) -> None:
    """Where no signal serves every worker, effective_by is the time of the answer and max_staleness."""

    class FarAway:
        """The same store, whose workers are on other hosts."""

        is_immediate = False

        def __getattr__(self, name: str) -> object:
            return getattr(office.store, name)

    key = (await office.key()).view.record
    keys = KeyLifecycle(FarAway(), office.issuer, office.catalogue, now=office.clock, max_staleness=2.0)  # type: ignore[arg-type]

    assert START + timedelta(seconds=2) == (await keys.disable("a", key.id, actor=ROOT)).effective_by
