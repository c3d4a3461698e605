"""What every store promises of the outbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.audit import Event
from keyfob.store.contract.key_store import Use
from keyfob.store.contract.notices import KEPT, Notice
from keyfob.store.contract.use_details import Source, Tally
from tests.keyfob.store.samples import KEY, NOON, TODAY, adding, key, putting

if TYPE_CHECKING:
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

A, B = "webhook a", "log"


def event(number: int = 0, *, days: int = 0) -> Event:
    at = NOON + timedelta(days=days)
    return Event(at, "cli", None, "root", None, "key.disabled", "team", KEY.id, {"number": number})


def notice(notice_id: str = "evt_x") -> Notice:
    return Notice(notice_id, "key.expiring", NOON, {"key_id": KEY.id})


async def write(store: KeyStore, *events: Event) -> list[Notice]:
    async def work(rows: Transaction) -> None:
        for one in events:
            await rows.append(one)

    await store.change(work)
    return await store.notices.after(0)


class NoticeContract:
    """The outbox and its deliveries."""

    async def test_a_notice_commits_with_its_change(self, store: KeyStore, other: KeyStore) -> None:
        """Every audit event is one, under an id of its own; a change that is rolled back leaves none."""

        async def fails(rows: Transaction) -> None:
            await rows.append(event(9))
            raise ZeroDivisionError

        first, second = await write(store, event(1), event(2))
        with pytest.raises(ZeroDivisionError):
            await store.change(fails)

        assert [first, second] == await other.notices.after(0)
        assert [second] == await other.notices.after(first.seq)
        assert first.id != second.id
        assert ("key.disabled", NOON, {"number": 1}) == (first.event, first.at, first.data["detail"])
        assert {"kind": "cli", "id": None, "name": "root"} == first.data["actor"]

    async def test_a_delivery_is_claimed_by_one(self, store: KeyStore, other: KeyStore) -> None:
        """Nobody else gets it before the claim ends; then anybody does, with one more attempt."""
        (one,) = await write(store, event())
        for _ in range(2):
            await store.notices.address([(one, A), (one, B)])
        later = NOON + timedelta(minutes=1)

        claimed = await store.notices.claim([A], NOON, later)

        assert [(one.id, A, 1)] == [(taken.notice.id, taken.target, taken.attempts) for taken in claimed]
        assert [] == await other.notices.claim([A], NOON + timedelta(seconds=59), later)
        assert [2] == [taken.attempts for taken in await other.notices.claim([A], later, later + timedelta(minutes=1))]
        await store.notices.settle(claimed[0], None, None)
        assert {(A, 2), (B, 0)} == {(left.target, left.attempts) for left in await store.notices.unfinished()}

    async def test_what_has_arrived_is_done(self, store: KeyStore) -> None:
        """A failure waits with its error; success is not claimed again, and a retry brings back what was given up."""
        (one,) = await write(store, event())
        await store.notices.address([(one, A)])
        (claimed,) = await store.notices.claim([A], NOON, NOON)
        await store.notices.settle(claimed, NOON + timedelta(hours=1), "refused")
        assert [] == await store.notices.claim([A], NOON + timedelta(minutes=59), NOON)
        (left,) = await store.notices.unfinished()
        assert ("refused", NOON + timedelta(hours=1)) == (left.error, left.due_at)

        (again,) = await store.notices.claim([A], NOON + timedelta(hours=1), NOON)
        await store.notices.settle(again, None, "refused")
        assert [None] == [given_up.due_at for given_up in await store.notices.unfinished()]
        assert 1 == await store.notices.retry(NOON)
        (last,) = await store.notices.claim([A], NOON, NOON)
        await store.notices.settle(last, None, None)
        assert ([], 0) == (await store.notices.unfinished(), await store.notices.retry(NOON))

    async def test_old_notices_are_forgotten_with_the_next(self, store: KeyStore) -> None:
        """After three days nobody tries any more, so nothing is kept, its deliveries neither."""
        (old,) = await write(store, event())
        await store.notices.address([(old, A)])
        await write(store, event(days=KEPT.days + 1))

        assert 1 == len(await store.notices.after(0))
        assert [] == await store.notices.unfinished()

    async def test_a_mark_lets_one_notice_through(self, store: KeyStore, other: KeyStore) -> None:
        """Whoever comes second writes nothing, in whichever process."""
        assert await store.notices.add_once("mark", notice())
        assert not await other.notices.add_once("mark", notice("evt_y"))
        assert await other.notices.add_once("another", notice("evt_z"))
        assert ["evt_x", "evt_z"] == [one.id for one in await store.notices.after(0)]

    async def test_uses_that_are_told(self, store: KeyStore) -> None:
        """A disabled key that is tried, an address that is new, a replaced key in use; nothing else."""
        micros = int(NOON.timestamp() * 1_000_000)

        def use(reason: str, *addresses: str, day: int = TODAY.toordinal(), at: int = micros) -> Use:
            tally = {"denied" if reason else "admitted": 1}
            return Use(
                NOON, None, {}, {}, {Source(day, one, "GET /a", reason): Tally(at, at, **tally) for one in addresses}
            )

        await store.change(adding(key(1), key(2), key(3), key(4)))
        disabled = replace(key(1), disabled_at=NOON - timedelta(hours=1))
        replaced = replace(key(2), replaced_by=key(3).id, replaced_at=NOON - timedelta(days=1))
        await store.change(putting(disabled))
        await store.change(putting(replaced))
        yesterday = micros - 86_400_000_000
        await store.add_usage({key(3).id: use("", "192.0.2.1", day=TODAY.toordinal() - 1, at=yesterday)})
        await store.add_usage(
            {
                key(1).id: use("disabled", "192.0.2.9"),
                key(2).id: use("", "192.0.2.2"),
                key(3).id: use("", "192.0.2.1", "192.0.2.3"),
                key(4).id: use("permission", "192.0.2.4"),
            }
        )
        since = NOON - timedelta(minutes=15)

        assert [(key(1).id, NOON - timedelta(hours=1), NOON, "192.0.2.9")] == (
            await store.notices.tried_after_disable(since)
        )
        assert [(key(3).id, "192.0.2.3", NOON)] == await store.notices.new_addresses(since)
        assert [(key(2).id, key(3).id, NOON)] == await store.notices.replaced_in_use()
        assert [] == await store.notices.tried_after_disable(NOON + timedelta(seconds=1))
