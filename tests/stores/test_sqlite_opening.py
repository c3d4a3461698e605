"""A store that takes its time to be opened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.store import open_store
from keyfob.store.sqlite import SQLiteStore
from tests.stores.samples import RING_KEY

if TYPE_CHECKING:
    from pathlib import Path


async def just_begun(tmp_path: Path) -> tuple[SQLiteStore, asyncio.Task[object]]:
    """A store whose connections are on their way, and who waits for them."""
    made = open_store(f"sqlite:///{tmp_path / 'keys.db'}", seal_with=lambda: RING_KEY, create=True)
    assert isinstance(made, SQLiteStore)
    waiting = asyncio.create_task(made.changes(None))
    while not made._opening._openings:  # noqa: ASYNC110 - it may be over before any longer pause is
        await asyncio.sleep(0)
    return made, waiting


async def test_who_waits_no_longer_leaves_the_opening_to_the_next(tmp_path: Path) -> None:
    """On a slow disk each caller's patience may be shorter than the opening, which must end nevertheless."""
    store, waiting = await just_begun(tmp_path)
    (opening,) = store._opening._openings.values()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await store.changes(None)

    assert opening.result() is await store._opening.connections()
    await store.close()


async def test_a_store_that_is_closed_while_it_is_opened_is_unavailable(tmp_path: Path) -> None:
    """Who waited is told so, is not cancelled, and nothing stays open."""
    store, waiting = await just_begun(tmp_path)

    await store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        await waiting
    assert ({}, {}) == (store._opening._openings, store._opening._by_loop)
