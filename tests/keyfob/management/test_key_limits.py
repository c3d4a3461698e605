from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import ExceedsOwnLimits, Forbidden, Invalid
from keyfob.keys.record import RaisedLimits
from keyfob.limits.meters import limits_of
from keyfob.management.key_drafts import KeyDraft
from keyfob.policy.catalogue import build_catalogue
from tests.keyfob.management.conftest import CATALOGUE, ROOT, START

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office

LATER = START + timedelta(days=1)
LIMITS = {
    "small": {"rate": "10/min"},
    "large": {"rate": "100/min"},
    "broad": {"rate": ["10/min", "1000/day"]},
    "daily": {"rate": "5/day"},
}


@pytest.fixture
def office(office: Office) -> Office:
    """An office whose plan limits each key to ten requests a minute."""
    catalogue = build_catalogue(
        permissions=CATALOGUE.permissions, limits=LIMITS, plans={"enterprise": {"limits": ["small"]}}
    )
    return replace(office, catalogue=catalogue)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"limits": "small"}, "/limits: Limits must be a list of their names"),
    ({"limits": [5]}, "/limits: Limits must be a list of their names"),
    ({"limits": [f"l{number}" for number in range(17)]}, "/limits: A key can have at most 16 limits"),
    ({"limits": ["small", "smal"]}, "/limits/1: There is no limit called smal; did you mean small?"),
    ({"limits_raised": {"factor": 2}}, "/limits_raised: This must be an object with until and factor"),
    ({"limits_raised": 2}, "/limits_raised: This must be an object with until and factor"),
    ({"limits_raised": {"until": START, "factor": 2}}, "/limits_raised/until: This must be a date and time in the"),
    ({"limits_raised": {"until": LATER, "factor": 1}}, "/limits_raised/factor: This must be more than 1"),
    ({"limits_raised": {"until": LATER, "factor": 1001}}, "/limits_raised/factor: This must be more than 1"),
    ({"limits_raised": {"until": LATER, "factor": True}}, "/limits_raised/factor: This must be a number"),
    ({"limits_raised": {"until": LATER, "factor": float("nan")}}, "/limits_raised/factor: This must be a number"),
]
RAISES: list[dict[str, Any]] = [
    {"limits": ["large"]},
    {"limits": ["daily"]},  # no limit for a minute any more
    {"limits_raised": {"until": LATER, "factor": 1.5}},
]
LOWERS: list[dict[str, Any]] = [{"limits": ["small", "daily"]}, {"limits": ["broad"]}, {"limits": []}]


@pytest.mark.parametrize(("patch", "message"), WRONG)
async def test_what_limits_cannot_be_is_refused(office: Office, patch: dict[str, Any], message: str) -> None:
    """Limits are names that the configuration has, and a raise has an end and a factor."""
    made = await office.key()
    with pytest.raises(Invalid, match=re.escape(message)):
        await office.keys.update("a", made.key.id, patch, actor=ROOT)


async def test_an_operator_sets_and_clears_limits(office: Office) -> None:
    """A key's own limits take the place of its plan's until they are taken away; the audit log says so."""
    made = await office.key(limits=("large", "large"))
    assert ("large",) == made.key.limits
    patch = {"limits": ["small"], "limits_raised": {"until": LATER, "factor": 2}}
    changed = (await office.keys.update("a", made.key.id, patch, actor=ROOT)).record
    assert (("small",), RaisedLimits(LATER, 2.0)) == (changed.limits, changed.limits_raised)
    event = (await office.events())[-1]
    assert {"from": ["large"], "to": ["small"]} == event.detail["limits"]
    assert {"until": "2026-03-02T12:00:00+00:00", "factor": 2.0} == event.detail["limits_raised"]

    cleared = await office.keys.update("a", made.key.id, {"limits": None, "limits_raised": None}, actor=ROOT)

    assert ((), None) == (cleared.record.limits, cleared.record.limits_raised)


@pytest.mark.parametrize("patch", RAISES)
async def test_only_who_holds_everything_raises_limits(office: Office, patch: dict[str, Any]) -> None:
    """Without ``*``, nobody lets a key do more than it may."""
    made = await office.key()
    actor = await office.admin("keys:write", "keys:read", "limits:write", "items:read")

    with pytest.raises(ExceedsOwnLimits):
        await office.keys.update("a", made.key.id, patch, actor=actor)
    await office.keys.update("a", made.key.id, patch, actor=await office.admin("*"))


@pytest.mark.parametrize("patch", LOWERS)
async def test_limits_are_lowered_with_a_permission_of_its_own(office: Office, patch: dict[str, Any]) -> None:
    """``limits:write`` alone is enough to lower limits, and ``keys:write`` is not."""
    made = await office.key()
    await office.keys.update("a", made.key.id, {"limits": ["small"]}, actor=ROOT)
    writer, lowerer = await office.admin("keys:write", "keys:read"), await office.admin("limits:write")
    if patch["limits"] != []:
        with pytest.raises(Forbidden):
            await office.keys.update("a", made.key.id, patch, actor=writer)

    after = await office.keys.update("a", made.key.id, patch, actor=lowerer)

    assert tuple(patch["limits"]) == after.record.limits
    with pytest.raises(Forbidden):
        await office.keys.update("a", made.key.id, {**patch, "name": "other"}, actor=lowerer)


async def test_a_new_key_has_no_more_than_its_plan_gives(office: Office) -> None:
    """Limits of a new key need ``limits:write``, and ``*`` to be higher; a copy of a raised key is refused, too."""
    maker = await office.admin("keys:write", "keys:read", "items:read")
    lowerer = await office.admin("keys:write", "keys:read", "items:read", "limits:write")
    draft = KeyDraft("n", permissions=("items:read",))
    with pytest.raises(Forbidden):
        await office.keys.create("a", replace(draft, limits=("broad",)), actor=maker)
    with pytest.raises(ExceedsOwnLimits):
        await office.keys.create("a", replace(draft, limits=("large",)), actor=lowerer)
    await office.keys.create("a", replace(draft, limits=("broad",)), actor=lowerer)
    raised = await office.key(limits=("large",))

    with pytest.raises(ExceedsOwnLimits):
        await office.keys.duplicate("a", raised.key.id, {}, actor=maker)
    copy = await office.keys.duplicate("a", raised.key.id, {}, actor=ROOT)
    assert (("large",), None) == (copy.key.limits, copy.key.limits_id)


async def test_rotation_keeps_limits_and_counts(office: Office) -> None:
    """The new key is counted as the first of its line was, has its limits, and those raised for a while."""
    maker = await office.admin("keys:write", "keys:read", "items:read")
    first = await office.key(limits=("large",))
    patch = {"limits_raised": {"until": LATER, "factor": 2}}
    await office.keys.update("a", first.key.id, patch, actor=ROOT)
    second = (await office.keys.rotate("a", first.key.id, {}, actor=maker)).key
    third = (await office.keys.rotate("a", second.id, {}, actor=maker)).key

    assert [first.key.id] * 2 == [second.limits_id, third.limits_id]
    assert [(("large",), RaisedLimits(LATER, 2.0))] * 2 == [(key.limits, key.limits_raised) for key in (second, third)]


async def test_a_limit_that_is_gone_stays_behind(office: Office) -> None:
    """A key whose limit the configuration has lost can be rotated and copied, and has its plan's limits then."""
    made = await office.key(limits=("large",))
    without = {name: limit for name, limit in LIMITS.items() if name != "large"}
    catalogue = build_catalogue(permissions=CATALOGUE.permissions, limits=without)
    later = replace(office, catalogue=catalogue)

    assert () == (await later.keys.rotate("a", made.key.id, {}, actor=ROOT)).key.limits
    assert limits_of(catalogue, made.key) is None
