"""Notices that nobody's change causes: each once for a key and what it has reached."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from keyfob.notices.watching import Watcher
from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import Source, Tally
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from datetime import datetime

    from tests.keyfob.management.conftest import Office


def watcher(office: Office) -> Watcher:
    return Watcher(office.store, office.catalogue, office.clock)


async def observed(office: Office, event: str) -> list[dict[str, Any]]:
    return [dict(one.data) for one in await office.store.notices.after(0) if one.event == event]


async def looked(office: Office) -> None:
    """Two processes look, twice each."""
    for each in (watcher(office), watcher(office)):
        for _ in range(2):
            await each.look_at_uses()
            await each.look_at_keys()


def use(at: datetime, address: str, reason: str = "") -> Use:
    micros = int(at.timestamp() * 1_000_000)
    source = Source(at.date().toordinal(), address, "GET /items", reason)
    return Use(at, address, {}, {}, {source: Tally(micros, micros, **{"denied" if reason else "admitted": 1})})


async def test_a_key_that_runs_out_is_told_at_each_threshold(office: Office) -> None:
    """30, 7 and 1 days before, however often it is looked at; a key that is renewed begins anew."""
    key = (await office.key(expires_at=START + timedelta(days=40))).view.record
    await office.key(name="for ever")
    for days in (0, 5, 11, 20, 33, 34, 39, 41):
        office.clock.now = START + timedelta(days=days)
        await looked(office)
    told = await observed(office, "key.expiring")

    assert [(key.id, 30), (key.id, 7), (key.id, 1)] == [(one["key_id"], one["within_days"]) for one in told]
    assert {"CI"} == {one["name"] for one in told}


async def test_a_key_that_lies_idle_is_told_once(office: Office) -> None:
    """After ninety days without use; a use begins the time anew."""
    key = (await office.key()).view.record
    office.clock.now = START + timedelta(days=89)
    await looked(office)
    assert [] == await observed(office, "key.unused")
    office.clock.now = START + timedelta(days=91)
    await looked(office)
    used = office.clock.now
    await office.store.add_usage({key.id: use(used, "192.0.2.1")})
    office.clock.now = used + timedelta(days=91)
    await looked(office)

    assert [None, used.isoformat()] == [one["last_used_at"] for one in await observed(office, "key.unused")]


async def test_a_disabled_key_that_is_tried_is_told_once_per_disable(office: Office) -> None:
    """With the address; enabled and disabled again, it is told again."""
    key = (await office.key()).view.record
    for minute in (0, 10):
        office.clock.now = START + timedelta(minutes=minute)
        await office.keys.disable("a", key.id, actor=ROOT)
        await looked(office)
        await office.store.add_usage({key.id: use(office.clock.now + timedelta(seconds=5), "192.0.2.9", "disabled")})
        office.clock.now += timedelta(seconds=6)
        await looked(office)
        await office.keys.enable("a", key.id, actor=ROOT)

    told = await observed(office, "key.tried_after_disable")
    assert [(key.id, "a", "192.0.2.9")] * 2 == [(one["key_id"], one["team"], one["address"]) for one in told]


async def test_a_new_address_is_told_once_a_day(office: Office) -> None:
    """The first one ever is not new, nor is one that was there before."""
    key = (await office.key()).view.record
    for days, address in ((0, "192.0.2.1"), (1, "192.0.2.1"), (1, "192.0.2.2"), (1, "192.0.2.3"), (2, "192.0.2.4")):
        office.clock.now += timedelta(seconds=1)
        at = office.clock.now + timedelta(days=days)
        await office.store.add_usage({key.id: use(at, address)})
        before, office.clock.now = office.clock.now, at
        await looked(office)
        office.clock.now = before

    assert ["192.0.2.2", "192.0.2.4"] == [one["address"] for one in await observed(office, "key.new_address")]


async def test_a_replaced_key_in_use_is_told_once(office: Office) -> None:
    """With the key that took its place."""
    key = (await office.key()).view.record
    rotated = await office.keys.rotate("a", key.id, {}, actor=ROOT)
    await looked(office)
    await office.store.add_usage({key.id: use(START + timedelta(hours=1), "192.0.2.1")})
    await looked(office)

    told = await observed(office, "key.replaced_in_use")
    assert [(key.id, rotated.view.record.id)] == [(one["key_id"], one["replaced_by"]) for one in told]
