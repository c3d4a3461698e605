"""Notifications are hints: news comes sooner with them, and comes without them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.keyfob.store.postgres.on_postgres import OURS, opened, other, sql, store, url
from tests.keyfob.store.samples import KEY, adding

if TYPE_CHECKING:
    from keyfob.store.postgres.store import PostgresStore

__all__ = ["other", "store", "url"]  # fixtures of this store's tests


class TestNotifications:
    async def test_a_change_elsewhere_is_news(self, store: PostgresStore, other: PostgresStore) -> None:
        """Whoever waits for news is woken by another host's change, long before its patience ends."""
        await other.wait_for_changes(0.2)  # the first call begins to listen
        waiting = asyncio.create_task(other.wait_for_changes(60))
        await asyncio.sleep(0)

        await store.change(adding(KEY))

        async with asyncio.timeout(5):
            await waiting

    async def test_mw_04_without_notifications_the_poll_goes_on(self, store: PostgresStore, url: str) -> None:
        """A listener that was killed delays nothing: news is then only the passing of time."""
        await store.wait_for_changes(0.2)
        assert await sql(url, f"SELECT count(pg_terminate_backend(pid)) {OURS} AND query LIKE 'LISTEN%'")

        for _ in range(3):
            await store.wait_for_changes(0.01)
        await store.change(adding(KEY))

        assert 1 == (await store.changes(None)).revision

    async def test_who_wants_no_listener_has_none(self, url: str) -> None:
        """`?listen=off` spares the connection."""
        deaf = opened(f"{url}?listen=off")
        await deaf.wait_for_changes(0.05)

        assert 0 == await sql(url, f"SELECT count(*) {OURS}")
        await deaf.close()

    async def test_news_of_a_closed_store_is_a_wait(self, store: PostgresStore) -> None:
        """A poll that comes after the end neither fails nor spins."""
        await store.close()

        await store.wait_for_changes(0.01)

    async def test_a_notification_is_not_the_change_signal(self, store: PostgresStore, other: PostgresStore) -> None:
        """What was only heard of never keeps cached answers from being given: the signal tells of own changes."""
        await other.wait_for_changes(0.2)
        before = other.change_signal.read()

        await store.change(adding(KEY))
        await other.wait_for_changes(5)

        assert before == other.change_signal.read()
