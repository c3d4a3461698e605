"""What every store promises of changes, and of what others read of them."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.keys.record import Team
from tests.keyfob.store.samples import (
    ELEVEN,
    KEY,
    NOON,
    TEAM,
    adding,
    appending,
    erasing,
    event,
    key,
    putting,
    revision_of,
)

if TYPE_CHECKING:
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction


class ChangeContract:
    """Changes, and what others read of them."""

    async def test_a_change_is_seen_by_others_when_it_returns(self, store: KeyStore, other: KeyStore) -> None:
        """Another process reads what a returned change has written, and hears the signal if all are to hear it."""
        await store.changes(None)
        await other.changes(None)
        seen = store.change_signal.read(), other.change_signal.read()

        await store.change(adding(KEY))

        assert seen[0] != store.change_signal.read()
        assert (seen[1] != other.change_signal.read()) is store.is_immediate
        assert KEY.name == (await other.find(KEY.id)).record.name  # type: ignore[union-attr] # it was just added

    async def test_a_revision_is_taken_once_in_a_change(self, store: KeyStore) -> None:
        """All that one change touches carries one revision."""

        async def work(transaction: Transaction) -> set[int]:
            await adding(key(1), key(2))(transaction)
            return {await transaction.next_revision(), await transaction.next_revision()}

        assert {1} == await store.change(work)
        assert {1} == {record.revision for record in (await store.changes(0)).records}

    async def test_a_change_without_a_revision_keyrings_nobody(self, store: KeyStore) -> None:
        """What alters no key, like a line in the audit log, makes no worker look."""
        await store.changes(None)
        seen = store.change_signal.read()

        await store.change(appending(event()))

        assert (0, seen) == (await revision_of(store), store.change_signal.read())

    async def test_a_change_that_raises_leaves_nothing(self, store: KeyStore) -> None:
        """The caller's own exception comes back, and every statement before it is undone."""

        async def work(transaction: Transaction) -> None:
            await adding(KEY)(transaction)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store.change(work)

        assert (None, 0) == ((await store.find(KEY.id)).record, await revision_of(store))
        await store.change(adding(KEY))

    async def test_changes_lists_what_is_newer_with_tombstones(self, store: KeyStore) -> None:
        """A reader that asks for what is after its revision gets deleted keys too, or it would keep serving them."""
        await store.change(adding(key(1), key(2), key(3)))
        await store.change(putting(key(2, name="Renamed")))
        await store.change(erasing(key(3).id))

        changed = await store.changes(1)

        assert {key(2).id: False, key(3).id: True} == {record.id: record.is_deleted for record in changed.records}
        assert (3, ()) == (changed.revision, (await store.changes(3)).records)

    async def test_asking_for_the_revision_alone_reads_no_keys(self, store: KeyStore) -> None:
        """A worker that starts needs to know where the store is, not everything in it."""
        await store.change(adding(KEY))

        changed = await store.changes(None)

        assert (1, ()) == (changed.revision, changed.records)

    async def test_changes_reads_many_rows(self, store: KeyStore) -> None:
        """A plan change that touches a thousand keys arrives whole."""
        await store.change(adding(*(key(number) for number in range(1200))))

        assert 1200 == len((await store.changes(0)).records)

    async def test_one_epoch_for_all_who_read_one_database(self, store: KeyStore, other: KeyStore) -> None:
        """Whether by `find` or by `changes`, here or elsewhere: the epoch is that of the database."""
        assert 1 == len(
            {(await store.changes(None)).epoch, (await store.find("x")).epoch, (await other.find("x")).epoch}
        )

    async def test_keyring_marks_travel_with_changes(self, store: KeyStore) -> None:
        """Retiring a signing key reaches every worker by the way on which disabled keys do."""
        mark = SigningKeyRecord("a", "0123456789abcdef", SigningKeyState.ACTIVE, ELEVEN)
        retired = replace(mark, state=SigningKeyState.RETIRED)
        await store.change(lambda transaction: transaction.put_signing_key(mark))
        await store.change(lambda transaction: transaction.put_signing_key(retired))

        changed = await store.changes(None)

        assert (2, (retired,)) == (changed.revision, changed.keyring)
        assert [retired] == await store.change(lambda transaction: transaction.signing_keys())

    async def test_a_plan_change_reaches_every_key_of_the_team(self, store: KeyStore) -> None:
        """Stamped keys come again with the new plan; other teams' keys and tombstones don't."""
        theirs = Team("theirs", "Their team", "teams", NOON)
        await store.change(adding(key(1), key(2)))
        await store.change(adding(key(3, team=theirs.id), team=theirs))
        await store.change(erasing(key(2).id))

        async def lower(transaction: Transaction) -> None:
            await transaction.put_team(replace(TEAM, plan="teams"))
            await transaction.stamp_team_keys(TEAM.id)

        await store.change(lower)

        assert [(key(1).id, "teams")] == [(record.id, record.plan) for record in (await store.changes(3)).records]

    async def test_a_cancelled_callers_change_is_finished(self, store: KeyStore) -> None:
        """Whoever leaves while a change is being made leaves no half of it, and nobody locked out."""
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def work(transaction: Transaction) -> None:
            begun.set()
            await go_on.wait()
            await adding(KEY)(transaction)

        caller = asyncio.create_task(store.change(work))
        await begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        go_on.set()

        await store.change(appending(event()))
        assert KEY.id == (await store.find(KEY.id)).record.id  # type: ignore[union-attr] # it was finished

    async def test_changes_made_at_once_are_numbered_one_by_one(self, store: KeyStore, other: KeyStore) -> None:
        """Two processes that write side by side get different revisions, and no change is lost."""
        await store.change(adding(*(key(number) for number in range(8))))

        async def rename(writer: KeyStore, number: int) -> None:
            await writer.change(putting(key(number, name=f"Renamed {number}")))

        await asyncio.gather(
            *(rename(writer, n) for n, writer in enumerate(itertools.islice(itertools.cycle((store, other)), 8)))
        )

        records = (await store.changes(1)).records
        assert set(range(2, 10)) == {record.revision for record in records}
        assert {f"Renamed {number}" for number in range(8)} == {record.name for record in records}

    async def test_a_flood_of_changes_is_told_without_its_keys(
        self, store: KeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where more keys changed than can be read within a poll, the poll succeeds and says that all are in doubt."""
        await store.change(adding(*(key(number) for number in range(4))))
        monkeypatch.setattr("keyfob.store.sql.rows.MOST_CHANGES", 4)
        whole = await store.changes(0)

        monkeypatch.setattr("keyfob.store.sql.rows.MOST_CHANGES", 3)
        flood = await store.changes(0)

        assert (4, False) == (len(whole.records), whole.too_many)
        assert ((), True, whole.revision, whole.epoch) == (flood.records, flood.too_many, flood.revision, flood.epoch)
