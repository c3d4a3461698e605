"""What every store promises of uses."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.keys.record import LastUse
from keyfob.store.contract.key_store import KeyView, Use, UseDay
from tests.keyfob.store.samples import ELEVEN, KEY, NOON, TODAY, adding, erasing, key, putting, revision_of

if TYPE_CHECKING:
    from keyfob.store.contract.key_store import KeyStore


class UsageContract:
    """Last use and counts."""

    async def test_ip_08_a_batch_of_uses_is_merged_into_one_row(self, store: KeyStore) -> None:
        """However many uses a flush carries, it moves one moment and adds to the counts of days."""
        yesterday = TODAY - timedelta(days=1)
        await store.change(adding(KEY))

        await store.add_usage({KEY.id: Use(ELEVEN, "192.0.2.1", {yesterday: 400, TODAY: 100}, {TODAY: 7})})
        await store.add_usage({KEY.id: Use(NOON, "192.0.2.2", {TODAY: 500}, {})})

        assert KeyView(replace(KEY, revision=1), LastUse(NOON, "192.0.2.2")) == await store.view(KEY.id)
        assert [UseDay(yesterday, 400, 0), UseDay(TODAY, 600, 7)] == await store.usage(KEY.id, yesterday)
        assert [UseDay(TODAY, 600, 7)] == await store.usage(KEY.id, TODAY)

    async def test_mw_10_the_newest_use_wins_in_any_order(self, store: KeyStore, other: KeyStore) -> None:
        """Flushes of several workers arrive in any order; the last use is the newest, with its address."""
        uses = [
            Use(NOON, "192.0.2.9", {TODAY: 1}, {}),
            Use(ELEVEN, "192.0.2.1", {TODAY: 1}, {}),
            Use(NOON, "192.0.2.5", {TODAY: 1}, {}),
            Use(NOON, None, {TODAY: 1}, {}),
        ]
        orders = list(itertools.permutations(uses))
        await store.change(adding(*(key(number) for number in range(len(orders)))))

        for number, order in enumerate(orders):
            for writer, use in zip((store, other, store, other), order, strict=True):
                await writer.add_usage({key(number).id: use})

        views = [await store.view(key(number).id) for number in range(len(orders))]
        assert {LastUse(NOON, "192.0.2.9")} == {view.last_used for view in views if view is not None}
        assert [UseDay(TODAY, 4, 0)] == await other.usage(key(0).id, TODAY)

    async def test_a_refused_use_counts_without_being_a_use(self, store: KeyStore) -> None:
        """Attempts with a disabled key are counted, but the key was not used."""
        await store.change(adding(KEY))
        await store.add_usage({KEY.id: Use(None, None, {}, {TODAY: 3})})

        view = await store.view(KEY.id)

        assert view is not None
        assert (None, [UseDay(TODAY, 0, 3)]) == (view.last_used, await store.usage(KEY.id, TODAY))

    async def test_use_never_changes_a_key(self, store: KeyStore) -> None:
        """Usage that is written after a disable leaves the key disabled, at the same revision."""
        await store.change(adding(KEY))
        disabled = replace(KEY, disabled_at=NOON, revision=2)
        await store.change(putting(disabled))
        seen = store.change_signal.read()

        await store.add_usage({KEY.id: Use(NOON, None, {TODAY: 1}, {})})

        assert (disabled, 2, seen) == (
            (await store.find(KEY.id)).record,
            await revision_of(store),
            store.change_signal.read(),
        )

    async def test_use_of_a_key_that_is_gone_is_dropped(self, store: KeyStore) -> None:
        """A late flush neither brings back a deleted key's usage nor fails for the others in the batch."""
        await store.change(adding(key(1), key(2)))
        await store.change(erasing(key(1).id))

        use = Use(NOON, "192.0.2.7", {TODAY: 1}, {})
        await store.add_usage({key(1).id: use, "nobodynobodynob0": use, key(2).id: use})

        assert [] == await store.usage(key(1).id, TODAY)
        assert [UseDay(TODAY, 1, 0)] == await store.usage(key(2).id, TODAY)

    async def test_an_empty_batch_is_no_write(self, store: KeyStore) -> None:
        """A flush with nothing in it asks nothing of the store."""
        await store.close()

        await store.add_usage({})
