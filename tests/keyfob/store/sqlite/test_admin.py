"""Backups, restoring, verifying and status of the SQLite store."""

# ruff: noqa: ASYNC240 (the tests look at the files of a store in an event loop that has nothing else to do)
from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.store.contract.console import Session, SignInLink
from keyfob.store.contract.workers import Worker
from keyfob.store.sqlite import admin as sqlite_admin
from keyfob.store.sqlite.migrations import SCHEMA
from tests.keyfob.store.samples import (
    KEY,
    NOON,
    SECRET,
    SIGNING_KEY,
    adding,
    appending,
    erasing,
    event,
    key,
    revision_of,
)
from tests.keyfob.store.sqlite.on_sqlite import other, path, store

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.store.sqlite.store import SQLiteStore

__all__ = ["other", "path", "store"]  # fixtures of this store's tests

AUDIT_KEYS = {SIGNING_KEY.char: SIGNING_KEY.audit_key}


class TestAdministration:
    async def test_a_backup_is_restored_as_another_epoch(
        self, store: SQLiteStore, other: SQLiteStore, tmp_path: Path
    ) -> None:
        """SF-17: after a restore every worker sees a new epoch, a higher revision and another number on the signal."""
        await store.change(adding(KEY))
        await store.change(appending(event()))
        await sqlite_admin.backup(store, tmp_path / "copy.db")
        await store.change(erasing(KEY.id))
        await store.change(appending(event("key.deleted")))
        before, seen = await other.changes(None), other.change_signal.read()

        await sqlite_admin.restore(store, tmp_path / "copy.db", event=event("db.restored"))

        assert seen != other.change_signal.read()
        after = await other.changes(None)
        assert before.epoch != after.epoch
        assert before.revision < after.revision
        assert SECRET == (await other.find(KEY.id)).secret
        assert [] == await sqlite_admin.verify(store, AUDIT_KEYS)
        assert 2 == (await store.audit_head())[0]
        assert ["copy.db", "keys.db", "keys.db-reserve", "keys.db-shm", "keys.db-signal", "keys.db-wal"] == sorted(
            file.name for file in tmp_path.iterdir()
        )

    async def test_ff_52_what_has_ended_is_not_revived(self, store: SQLiteStore, tmp_path: Path) -> None:
        """Sessions, sign-in links, drafts and workers of the backup are gone: they may have ended since."""
        await store.change(adding(KEY))
        later = NOON + timedelta(hours=8)
        await store.console.add_session(Session(b"s", KEY.id, b"c", None, NOON, later), event())
        await store.console.add_link(SignInLink(b"l", KEY.id, NOON, later), event())
        await store.console.claim_draft(b"d", b"s", NOON)
        await store.workers.put(Worker("w", "host", 2.0, "", 1, NOON))
        await sqlite_admin.backup(store, tmp_path / "copy.db")
        assert await store.console.use_link(b"l", NOON)
        await store.console.end_session(b"s")

        await sqlite_admin.restore(store, tmp_path / "copy.db")

        assert (None, None) == (await store.console.session(b"s"), await store.console.link(b"l"))
        assert [] == list(await store.workers.all())
        assert [(0,)] == await store.read("SELECT count(*) FROM drafts")
        assert SECRET == (await store.find(KEY.id)).secret

    async def test_a_backup_overwrites_nothing(self, store: SQLiteStore, tmp_path: Path) -> None:
        """A file that is there, be it an older backup, stays as it is."""
        (tmp_path / "copy.db").write_text("precious")

        with pytest.raises(ConfigError, match=r"copy\.db"):
            await sqlite_admin.backup(store, tmp_path / "copy.db")

        assert "precious" == (tmp_path / "copy.db").read_text()

    @pytest.mark.parametrize("statement", ["SELECT 1", "CREATE TABLE orders (id)"])
    async def test_what_is_no_database_of_ours_is_not_backed_up(self, tmp_path: Path, statement: str) -> None:
        """A copy of an empty file, or of another program's database, would pass for a backup until it is needed."""
        with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
            connection.execute(statement)

        with pytest.raises(ConfigError, match="nothing to copy"):
            await sqlite_admin.backup_file(tmp_path / "other.db", tmp_path / "copy.db")
        assert not (tmp_path / "copy.db").exists()

    async def test_a_backup_that_fails_leaves_no_file(self, store: SQLiteStore, path: Path, tmp_path: Path) -> None:
        """Half a backup must not be mistaken for one."""
        path.unlink()

        with pytest.raises(StoreUnavailable):
            await sqlite_admin.backup(store, tmp_path / "copy.db")

        assert not (tmp_path / "copy.db").exists()

    @pytest.mark.parametrize("content", [None, b"", b"no database at all"])
    async def test_what_is_no_backup_is_not_restored(
        self, store: SQLiteStore, tmp_path: Path, content: bytes | None
    ) -> None:
        """A missing, empty or foreign file is refused, and the database stays as it was."""
        await store.change(adding(KEY))
        if content is not None:
            (tmp_path / "copy.db").write_bytes(content)

        with pytest.raises(ConfigError, match=r"copy\.db"):
            await sqlite_admin.restore(store, tmp_path / "copy.db")

        assert (SECRET, 1) == ((await store.find(KEY.id)).secret, await revision_of(store))

    async def test_verify_finds_what_was_done_behind_our_back(self, store: SQLiteStore, path: Path) -> None:
        """A changed event and a row without its parent are both named."""
        await store.change(adding(KEY))
        await store.change(appending(event(), event("key.disabled")))
        assert [] == await sqlite_admin.verify(store, AUDIT_KEYS)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE audit_events SET actor_name = 'Eve' WHERE seq = 1")
            connection.execute("UPDATE keys SET team = 'nowhere'")

        assert [
            "integrity: a row of keys refers to a row of teams that is not there",
            "audit event 1: changed, replaced or moved",
        ] == await sqlite_admin.verify(store, AUDIT_KEYS)

    async def test_status_counts(self, store: SQLiteStore) -> None:
        """`keyfob db status` tells the schema, the revision and how much there is."""
        await store.change(adding(key(1), key(2)))
        await store.change(erasing(key(2).id))
        await store.change(appending(event()))

        told = await sqlite_admin.status(store)

        assert (SCHEMA, 2, "wal", 1, 1, 1, 1) == (
            told.schema,
            told.revision,
            told.journal_mode,
            told.teams,
            told.keys,
            told.deleted_keys,
            told.audit_events,
        )
