"""How the SQLite store is opened, also where that takes its time."""

# ruff: noqa: ASYNC240 (the tests look at the files of a store in an event loop that has nothing else to do)
from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.store.opening import open_store
from keyfob.store.sqlite.files import READER, open_connection
from keyfob.store.sqlite.store import SQLiteStore
from tests.keyfob.store.samples import KEY, SIGNING_KEY, adding, appending, event
from tests.keyfob.store.sqlite.on_sqlite import opened, path, store

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.store.contract.key_store import KeyStore

__all__ = ["path", "store"]  # fixtures of this store's tests


async def just_begun(tmp_path: Path) -> tuple[SQLiteStore, asyncio.Task[object]]:
    """A store whose connections are on their way, and who waits for them."""
    made = open_store(f"sqlite:///{tmp_path / 'keys.db'}", audit_key=lambda: SIGNING_KEY, create=True)
    assert isinstance(made, SQLiteStore)
    waiting = asyncio.create_task(made.changes(None))
    while not made._connections._opening_tasks:  # noqa: ASYNC110 - it may be over before any longer pause is
        await asyncio.sleep(0)
    return made, waiting


async def test_who_waits_no_longer_leaves_the_opening_to_the_next(tmp_path: Path) -> None:
    """On a slow disk each caller's patience may be shorter than the opening, which must end nevertheless."""
    store, waiting = await just_begun(tmp_path)
    (opening,) = store._connections._opening_tasks.values()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await store.changes(None)

    assert opening.result() is await store._connections.connections()
    await store.close()


async def test_a_store_that_is_closed_while_it_is_opened_is_unavailable(tmp_path: Path) -> None:
    """Who waited is told so, is not cancelled, and nothing stays open."""
    store, waiting = await just_begun(tmp_path)

    await store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        await waiting
    assert ({}, {}) == (store._connections._opening_tasks, store._connections._by_loop)


class TestOpening:
    @pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:", "mysql://host/db", "keys.db", ""])
    def test_an_address_that_names_no_file_is_refused(self, url: str) -> None:
        """What cannot be shared by workers, or is not known, is a ConfigError."""
        with pytest.raises(ConfigError):
            open_store(url, audit_key=lambda: SIGNING_KEY)

    async def test_a_relative_address_is_that_of_the_start(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A process that changes its folder later goes on with the same database."""
        monkeypatch.chdir(tmp_path)
        store = open_store(f"sqlite:///{path.name}", audit_key=lambda: SIGNING_KEY, create=True)
        monkeypatch.chdir("/")

        await store.change(adding(KEY))

        assert path.exists()
        await store.close()

    async def test_two_names_of_one_database_have_one_change_signal(self, store: SQLiteStore, path: Path) -> None:
        """Whoever opens the database through a link hears the same signal."""
        link = path.with_name("link.db")
        link.symlink_to(path)
        linked = opened(link)
        seen = linked.change_signal.read()

        await store.change(adding(KEY))

        assert seen != linked.change_signal.read()
        await linked.close()

    async def test_without_a_keyring_nothing_is_appended(self, path: Path) -> None:
        """A process that holds no keyring cannot write a log that nobody could verify."""
        store: KeyStore = open_store(f"sqlite:///{path}", create=True)

        with pytest.raises(ConfigError):
            await store.change(appending(event()))
        await store.close()

    def test_a_database_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        """Where the folder is missing, the error says which file could not be made."""
        with pytest.raises(ConfigError, match=r"keys\.db"):
            opened(tmp_path / "missing" / "keys.db", create=True)


def test_a_connection_that_cannot_be_opened_leaves_no_thread_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread has ended before the failure is told, so that it reports nothing to an event loop that is gone."""
    left: list[object] = []
    monkeypatch.setattr(threading, "excepthook", left.append)
    is_over = threading.Event()

    async def fail() -> None:
        with pytest.raises(sqlite3.OperationalError):
            _ = await open_connection(tmp_path / "nowhere" / "keys.db", READER)

    def be_busy() -> None:
        while not is_over.is_set():
            sum(range(100))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads take turns as on a machine with much to do
    busy = [threading.Thread(target=be_busy) for _ in range(3)]
    try:
        for thread in busy:
            thread.start()
        for _ in range(100):
            asyncio.run(fail())
    finally:
        is_over.set()
        for thread in busy:
            thread.join()
        sys.setswitchinterval(before)

    assert [] == left
