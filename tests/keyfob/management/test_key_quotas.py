from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import ExceedsOwnLimits, Forbidden, IdempotencyInProgress, IdempotencyMismatch, Invalid, NoQuota
from keyfob.keys.quota import MOST, Every, ExtraQuota, Quota
from keyfob.limits.meters import KeyLimits, limits_of
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.key_quotas import lets_more_pass, quota_of
from keyfob.policy.catalogue import build_catalogue
from tests.keyfob.management.conftest import CATALOGUE, ROOT, once

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from tests.keyfob.management.conftest import Office

pytestmark = pytest.mark.both_engines

APRIL = datetime(2026, 4, 1, tzinfo=UTC)
HUNDRED = Quota(100, Every.MONTH)
WRONG: list[tuple[object, str]] = [
    (5, "/quota: Quota must be a table with amount and every"),
    ({"amount": 5}, "/quota: This must be an object with amount and every"),
    ({"amount": 0, "every": "day"}, f"/quota: Quota amount must be a whole number from 1 to {MOST:,}"),
    ({"amount": 5, "every": "week"}, '/quota: Quota every must be "month" or "day"'),
]
MORE = [
    (HUNDRED, Quota(101, Every.MONTH)),
    (HUNDRED, None),
    (HUNDRED, Quota(4, Every.DAY)),
    (Quota(10, Every.DAY), Quota(11, Every.MONTH)),
]
NOT_MORE = [
    (HUNDRED, HUNDRED),
    (HUNDRED, Quota(3, Every.DAY)),
    (None, Quota(MOST, Every.MONTH)),
    (None, None),
    (Quota(10, Every.DAY), Quota(10, Every.MONTH)),
]


@pytest.fixture
def office(office: Office) -> Office:
    """An office whose plan gives each key a hundred requests a month."""
    plans = {"enterprise": {"quota": {"amount": 100, "every": "month"}}}
    return replace(office, catalogue=build_catalogue(permissions=CATALOGUE.permissions, plans=plans))


def in_force(office: Office, record: KeyRecord) -> Quota | None:
    return quota_of(office.catalogue, record, office.clock())


def asked(amount: int, every: str = "month") -> dict[str, object]:
    return {"quota": {"amount": amount, "every": every}}


@pytest.mark.parametrize(("before", "after"), MORE)
def test_what_lets_more_pass_is_known(before: Quota, after: Quota | None) -> None:
    """More in some month or day, whatever the other period's length."""
    assert lets_more_pass(before, after)


@pytest.mark.parametrize(("before", "after"), NOT_MORE)
def test_what_lets_no_more_pass_is_known(before: Quota | None, after: Quota | None) -> None:
    """Lower, the same, or a bound where there was none."""
    assert not lets_more_pass(before, after)


@pytest.mark.parametrize(("raw", "message"), WRONG)
async def test_what_a_quota_cannot_be_is_refused(office: Office, raw: object, message: str) -> None:
    """A quota has an amount and a period."""
    made = await office.key()
    with pytest.raises(Invalid, match=re.escape(message)):
        await office.keys.update("a", made.key.id, {"quota": raw}, actor=ROOT)


async def test_a_key_has_a_quota_of_its_own(office: Office) -> None:
    """It takes the place of the plan's until it is taken away, lasts in the database, and is in the audit log."""
    made = await office.key()
    await office.keys.update("a", made.key.id, asked(5, "day"), actor=ROOT)
    read = (await office.keys.get("a", made.key.id, actor=ROOT)).record
    assert Quota(5, Every.DAY) == read.quota == in_force(office, read)
    event = (await office.events())[-1]
    assert {"from": None, "to": {"amount": 5, "every": "day"}} == event.detail["quota"]
    assert {"amount": 5, "every": "day"} == event.detail["after"]["quota"]  # type: ignore[index]

    cleared = (await office.keys.update("a", made.key.id, {"quota": None}, actor=ROOT)).record

    assert (None, HUNDRED) == (cleared.quota, in_force(office, cleared))


async def test_a_quota_is_lowered_with_a_permission_of_its_own(office: Office) -> None:
    """``limits:write`` lowers it, ``keys:write`` does not, and ``*`` alone raises it."""
    made = await office.key()
    writer, lowerer = await office.admin("keys:write", "keys:read"), await office.admin("limits:write")
    with pytest.raises(Forbidden):
        await office.keys.update("a", made.key.id, asked(50), actor=writer)
    await office.keys.update("a", made.key.id, asked(50), actor=lowerer)
    for more in (asked(51), {"quota": None}):
        with pytest.raises(ExceedsOwnLimits):
            await office.keys.update("a", made.key.id, more, actor=lowerer)

    raised = await office.keys.update("a", made.key.id, asked(101), actor=await office.admin("*"))

    assert Quota(101, Every.MONTH) == in_force(office, raised.record)


async def test_a_new_key_has_no_more_than_its_plan_gives(office: Office) -> None:
    """A quota of a new key needs ``limits:write``, and ``*`` to be higher; a copy is judged alike."""
    maker = await office.admin("keys:write", "keys:read", "items:read")
    lowerer = await office.admin("keys:write", "keys:read", "items:read", "limits:write")
    draft = KeyDraft("n", permissions=("items:read",), quota=Quota(99, Every.MONTH))
    with pytest.raises(Forbidden):
        await office.keys.create("a", draft, actor=maker)
    assert draft.quota == (await office.keys.create("a", draft, actor=lowerer)).key.quota
    larger = replace(draft, quota=Quota(101, Every.MONTH))
    with pytest.raises(ExceedsOwnLimits):
        await office.keys.create("a", larger, actor=lowerer)
    made = await office.keys.create("a", larger, actor=ROOT)

    with pytest.raises(ExceedsOwnLimits):
        await office.keys.duplicate("a", made.key.id, {}, actor=maker)
    assert larger.quota == (await office.keys.duplicate("a", made.key.id, {}, actor=ROOT)).key.quota


async def test_more_is_given_until_the_period_ends(office: Office) -> None:
    """What is added counts for this month alone; a second time it is added to what there is then."""
    made, quotas = await office.key(), office.keys.quotas
    await quotas.adjust("a", made.key.id, add=20, actor=ROOT)
    added = (await quotas.adjust("a", made.key.id, add=-5, actor=ROOT)).view.record
    assert (ExtraQuota(15, APRIL), Quota(115, Every.MONTH)) == (added.quota_extra, in_force(office, added))
    event = (await office.events())[-1]
    assert ("key.updated", {"amount": 15, "until": APRIL.isoformat()}) == (event.action, event.detail["quota_extra"])
    assert added.quota_extra == (await office.keys.get("a", made.key.id, actor=ROOT)).record.quota_extra

    office.clock.now = APRIL

    assert HUNDRED == in_force(office, added)
    assert (ExtraQuota(-100, datetime(2026, 5, 1, tzinfo=UTC)), Quota(0, Every.MONTH)) == (
        (none := (await quotas.adjust("a", made.key.id, set_to=0, actor=ROOT)).view.record).quota_extra,
        in_force(office, none),
    )


async def test_what_is_asked_again_adds_nothing(office: Office) -> None:
    """A repeated request is answered with the key as it is now; under another Idempotency-Key it is another request."""
    made, adjust = await office.key(), office.keys.quotas.adjust
    first = await adjust("a", made.key.id, add=20, actor=ROOT, idempotency=once())
    await adjust("a", made.key.id, add=1, actor=ROOT, idempotency=once("k-2"))
    again = await adjust("a", made.key.id, add=20, actor=ROOT, idempotency=once())

    assert ((ExtraQuota(20, APRIL), False), (ExtraQuota(21, APRIL), True)) == (
        (first.view.record.quota_extra, first.replayed),
        (again.view.record.quota_extra, again.replayed),
    )
    assert ["key.updated"] * 2 == [event.action for event in await office.events()][-2:]


async def test_what_changed_nothing_is_done_only_once(office: Office) -> None:
    """An amount that it has already: asked again it does not undo what somebody else did since."""
    made, adjust = await office.key(), office.keys.quotas.adjust
    await adjust("a", made.key.id, set_to=100, actor=ROOT, idempotency=once())
    await adjust("a", made.key.id, set_to=50, actor=ROOT)

    again = await adjust("a", made.key.id, set_to=100, actor=ROOT, idempotency=once())

    assert Quota(50, Every.MONTH) == in_force(office, again.view.record)


async def test_workers_that_are_asked_at_the_same_moment_add_once(office: Office) -> None:
    """One of them adds, whichever transaction is first, and the others say that it was done."""
    made = await office.key()
    adjustments = [
        office.keys.quotas.adjust("a", made.key.id, add=20, actor=ROOT, idempotency=once()) for _ in range(5)
    ]  # each by a lifecycle of its own

    answers = await asyncio.gather(*adjustments)

    assert [False, True, True, True, True] == sorted(answer.replayed for answer in answers)
    assert {ExtraQuota(20, APRIL)} == {answer.view.record.quota_extra for answer in answers}


async def test_a_request_with_another_content_or_one_under_way_is_refused(office: Office) -> None:
    """The same Idempotency-Key stands for one content, and one process does not do it twice at the same time."""
    made, adjust = await office.key(), office.keys.quotas.adjust

    answers = await asyncio.gather(
        *(adjust("a", made.key.id, add=20, actor=ROOT, idempotency=once()) for _ in range(2)), return_exceptions=True
    )
    with pytest.raises(IdempotencyMismatch):
        await adjust("a", made.key.id, add=21, actor=ROOT, idempotency=once(body=b"21"))

    assert 1 == sum(isinstance(answer, IdempotencyInProgress) for answer in answers)
    assert ExtraQuota(20, APRIL) == (await office.keys.get("a", made.key.id, actor=ROOT)).record.quota_extra


async def test_an_adjustment_that_was_refused_can_be_tried_again(office: Office) -> None:
    """Only what worked is saved."""
    made, adjust = await office.key(), office.keys.quotas.adjust
    with pytest.raises(Invalid):
        await adjust("a", made.key.id, set_to=MOST + 1, actor=ROOT, idempotency=once())

    assert not (await adjust("a", made.key.id, set_to=5, actor=ROOT, idempotency=once())).replayed


async def test_the_amount_of_a_period_is_set(office: Office) -> None:
    """To any amount, and back to what the plan says; another quota of its own forgets what was added."""
    made, quotas = await office.key(), office.keys.quotas
    found = [
        (await quotas.adjust("a", made.key.id, set_to=amount, actor=ROOT)).view.record for amount in (250, 100, 250)
    ]
    assert [250, 100, 250] == [quota.amount for one in found if (quota := in_force(office, one))]
    assert [ExtraQuota(150, APRIL), None] == [one.quota_extra for one in found[:2]]

    changed = (await office.keys.update("a", made.key.id, asked(30), actor=ROOT)).record

    assert (None, Quota(30, Every.MONTH)) == (changed.quota_extra, in_force(office, changed))


async def test_only_who_holds_everything_gives_more(office: Office) -> None:
    """``limits:write`` takes away, and without it nobody changes anything."""
    made, quotas = await office.key(), office.keys.quotas
    writer, lowerer = await office.admin("keys:write", "keys:read"), await office.admin("limits:write")
    with pytest.raises(Forbidden):
        await quotas.adjust("a", made.key.id, add=-1, actor=writer)
    await quotas.adjust("a", made.key.id, add=-1, actor=lowerer)
    for add, set_to in ((1, None), (None, 100)):
        with pytest.raises(ExceedsOwnLimits):
            await quotas.adjust("a", made.key.id, add=add, set_to=set_to, actor=lowerer)

    await quotas.adjust("a", made.key.id, set_to=98, actor=lowerer)


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({}, ""),
        ({"add": 1, "set_to": 1}, ""),
        ({"add": -101}, "/add"),
        ({"set_to": -1}, "/set"),
        ({"add": MOST}, "/add"),
    ],
)
async def test_an_adjustment_that_cannot_be_meant_is_refused(
    office: Office, said: dict[str, Any], pointer: str
) -> None:
    """Either of the two, and nothing below zero or beyond what can be counted."""
    made = await office.key()
    with pytest.raises(Invalid) as refused:
        await office.keys.quotas.adjust("a", made.key.id, **said, actor=ROOT)

    assert [pointer] == [where for where, _ in refused.value.errors]


async def test_without_a_quota_there_is_nothing_to_add_to(office: Office) -> None:
    """A key whose plan has none, such as an admin key, is said to have none."""
    admin = await office.key(key_type="admin", permissions=("keys:read",))
    with pytest.raises(NoQuota):
        await office.keys.quotas.adjust("a", admin.key.id, add=1, actor=ROOT)


async def test_rotation_keeps_the_quota_and_the_counts(office: Office) -> None:
    """The new key is counted as the first of its line was, and has what was added."""
    maker = await office.admin("keys:write", "keys:read", "items:read")
    first = await office.key(quota=Quota(500, Every.MONTH))
    await office.keys.quotas.adjust("a", first.key.id, add=7, actor=ROOT)
    second = (await office.keys.rotate("a", first.key.id, {}, actor=maker)).key

    assert (first.key.id, Quota(507, Every.MONTH)) == (second.limits_id, in_force(office, second))
    assert KeyLimits(quota=Quota(500, Every.MONTH), extra=(7, APRIL.timestamp())) == limits_of(office.catalogue, second)
