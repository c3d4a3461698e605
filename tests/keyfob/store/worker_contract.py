"""What every store promises of the list of workers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.store.contract.workers import NOTHING, Worker
from tests.keyfob.store.samples import ELEVEN, KEY, NOON, adding

if TYPE_CHECKING:
    from keyfob.store.contract.key_store import KeyStore


class WorkerContract:
    """The list of the processes that judge requests."""

    async def test_a_worker_is_read_as_it_said_last(self, store: KeyStore, other: KeyStore) -> None:
        """Every process reads every worker, by host; who says something anew has one row still."""
        epoch = (await store.changes(None)).epoch
        first, second = Worker("w2", "a", 2.5, epoch, 3, NOON), Worker("w1", "b", 0.001, epoch, NOTHING, ELEVEN)
        for worker in (second, replace(first, revision=2, seen_at=ELEVEN), first):
            await store.workers.put(worker)

        assert [first, second] == list(await other.workers.all())

    async def test_an_older_word_does_not_replace_a_newer(self, store: KeyStore) -> None:
        """Two words of one worker may overtake each other; the one that says less is dropped."""
        epoch = (await store.changes(None)).epoch
        newer = Worker("w", "a", 2.0, epoch, 5, NOON)
        await store.workers.put(newer)
        await store.workers.put(replace(newer, revision=4))

        assert [newer] == list(await store.workers.all())

    async def test_what_was_applied_in_another_history_does_not_count(self, store: KeyStore) -> None:
        """A revision says nothing about a database that has taken the other one's place since."""
        await store.workers.put(Worker("w", "a", 2.0, "another", 99, NOON))

        assert [NOTHING] == [worker.revision for worker in await store.workers.all()]

    async def test_a_worker_is_struck_off(self, store: KeyStore) -> None:
        """Without a time in any case, with one only if nothing was said since."""
        epoch = (await store.changes(None)).epoch
        for name in "abc":
            await store.workers.put(Worker(name, "host", 2.0, epoch, 1, NOON))

        await store.workers.remove("a")
        await store.workers.remove("b", NOON)
        await store.workers.remove("c", ELEVEN)
        await store.workers.remove("nobody")

        assert ["c"] == [worker.id for worker in await store.workers.all()]

    async def test_the_acknowledgement_request_travels_with_changes(self, store: KeyStore, other: KeyStore) -> None:
        """The highest revision that anybody waits for is read with what changed; calling for a lower one is nothing."""
        assert 0 == (await other.changes(None)).requested_revision

        await store.workers.request_acknowledgement(7)
        await store.workers.request_acknowledgement(5)

        assert (7, 7) == ((await other.changes(None)).requested_revision, (await other.changes(0)).requested_revision)

    async def test_workers_are_no_change(self, store: KeyStore, other: KeyStore) -> None:
        """Whatever is written about workers takes no revision, publishes no signal and touches no key."""
        await store.change(adding(KEY))
        before, seen = await other.changes(0), other.change_signal.read()

        await store.workers.put(Worker("w", "a", 2.0, before.epoch, 1, NOON))
        await store.workers.request_acknowledgement(1)
        await store.workers.remove("w")

        assert seen == other.change_signal.read()
        assert replace(before, requested_revision=1) == await other.changes(0)

    async def test_a_closed_store_has_no_list(self, store: KeyStore) -> None:
        """After `close`, the list cannot be read or written, and says so as everything does."""
        await store.close()

        for ask in (store.workers.all(), store.workers.request_acknowledgement(1), store.workers.remove("w")):
            with pytest.raises(StoreUnavailable):
                await ask
