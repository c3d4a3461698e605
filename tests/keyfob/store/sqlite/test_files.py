"""The files of the SQLite store: who may read them, what is left in them, and what if they are gone."""

# ruff: noqa: ASYNC240 (the tests look at the files of a store in an event loop that has nothing else to do)
from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.keys.hashing import Argon2Parameters, hash_secret
from keyfob.keys.record import StoredSecret
from keyfob.store.sqlite import admin as sqlite_admin
from keyfob.store.sqlite.files import require_wal
from tests.keyfob.store.samples import KEY, TEAM, adding, erasing, key, putting, revision_of
from tests.keyfob.store.sqlite.on_sqlite import opened, path, store

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.sqlite.store import SQLiteStore

__all__ = ["path", "store"]  # fixtures of this store's tests


class TestFiles:
    @pytest.mark.parametrize("umask", [0, 0o022, 0o777])
    async def test_se_08_files_are_for_their_owner_alone(self, tmp_path: Path, umask: int) -> None:
        """Database, write-ahead log, shared memory, change_signal and backup are 0600 whatever the umask."""
        before = os.umask(umask)
        try:
            store = opened(tmp_path / "keys.db", create=True)
            await store.change(adding(KEY))
            await sqlite_admin.backup(store, tmp_path / "copy.db")
        finally:
            os.umask(before)

        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        await store.close()
        names = ["keys.db", "keys.db-wal", "keys.db-shm", "keys.db-signal", "keys.db-reserve", "copy.db"]
        assert dict.fromkeys(names, 0o600) == modes

    async def test_se_06_a_deleted_keys_secrets_are_gone_from_the_files(self, store: SQLiteStore, path: Path) -> None:
        """After a checkpoint neither the hash nor the digest of a deleted key is found in any file."""
        secret = StoredSecret("$argon2id$CANARY-OF-THE-HASH", b"CANARY-OF-THE-DIGEST")

        async def work(transaction: Transaction) -> None:
            await transaction.put_team(TEAM)
            await transaction.add_key(KEY, secret)

        def canaries() -> int:
            return sum(file.read_bytes().count(b"CANARY-OF-THE-") for file in path.parent.iterdir())

        await store.change(work)
        await sqlite_admin.checkpoint(store)
        assert 2 == canaries()
        await store.change(erasing(KEY.id))
        await sqlite_admin.checkpoint(store)

        assert 0 == canaries()

    async def test_se_12_two_rows_hold_two_salts(self, store: SQLiteStore, path: Path) -> None:
        """What is in the database is Argon2id of at least the recommended cost, each with a salt of its own."""
        hashes = [hash_secret("the same secret", Argon2Parameters()) for _ in range(2)]

        async def work(transaction: Transaction) -> None:
            await transaction.put_team(TEAM)
            for number, phc in enumerate(hashes):
                await transaction.add_key(key(number), StoredSecret(phc))

        await store.change(work)
        with closing(sqlite3.connect(path)) as connection:
            stored = [phc for (phc,) in connection.execute("SELECT hash FROM key_secrets")]

        salts = {re.fullmatch(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$([^$]{22,})\$[^$]+", phc)[1] for phc in stored}  # type: ignore[index] # must match
        assert 2 == len(salts)

    async def test_rows_are_not_quoted_in_errors(self, store: SQLiteStore, path: Path) -> None:
        """What a broken row holds is not repeated in the message that goes to the logs."""
        await store.change(adding(KEY))
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE keys SET ip_allow = 'CANARY'")

        with pytest.raises(StoreUnavailable) as caught:
            await store.find(KEY.id)

        assert "CANARY" not in str(caught.value)


class TestMissing:
    async def test_sf_16_a_deleted_database_is_unavailable_and_not_made_again(
        self, store: SQLiteStore, path: Path
    ) -> None:
        """With the file gone nothing is answered from what is still open, and no empty database appears."""
        await store.change(adding(KEY))
        path.unlink()

        for ask in (store.find(KEY.id), store.changes(0), store.view(KEY.id), store.change(putting(KEY))):
            with pytest.raises(StoreUnavailable):
                await ask

        assert not path.exists()

    async def test_sf_16_an_emptied_database_is_unavailable(self, store: SQLiteStore, path: Path) -> None:
        """A file of no length holds no keys to answer with."""
        await store.change(adding(KEY))
        await store.find(KEY.id)  # what was read before is in memory, and must not answer either
        os.truncate(path, 0)

        for ask in (store.find(KEY.id), store.changes(0)):
            with pytest.raises(StoreUnavailable):
                await ask

    @pytest.mark.parametrize("content", [b"", b"no database", None])
    async def test_what_is_no_database_is_unavailable(self, path: Path, content: bytes | None) -> None:
        """A store whose file is missing, empty or something else can be opened, and then cannot say."""
        if content is not None:
            path.write_bytes(content)
        store = opened(path)

        for ask in (store.find(KEY.id), store.changes(None)):
            with pytest.raises(StoreUnavailable):
                await ask

        await store.close()
        assert content == (path.read_bytes() if path.exists() else None)

    async def test_a_database_of_another_program_stops_the_start(self, path: Path) -> None:
        """It is not taken for one without keys, neither at start nor where it comes later."""
        early = opened(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE other_things (name TEXT)")

        with pytest.raises(StoreUnavailable):
            await early.find(KEY.id)
        await early.close()
        with pytest.raises(ConfigError, match="holds tables of another program"):
            opened(path)

    async def test_a_database_that_comes_later_is_found(self, path: Path) -> None:
        """A worker that started too early begins to work when the database is there, change_signal included."""
        store = opened(path)
        with pytest.raises(StoreUnavailable):
            await store.changes(None)
        assert [] == list(path.parent.iterdir())

        writer = opened(path, create=True)
        assert 0 == await revision_of(store)
        seen = store.change_signal.read()
        await writer.change(adding(KEY))

        assert seen != store.change_signal.read()
        assert store.is_immediate
        await store.close()
        await writer.close()

    async def test_a_replaced_database_is_another_epoch(self, store: SQLiteStore, path: Path, tmp_path: Path) -> None:
        """A copy moved into place is read instead of the old file, and even its own epoch counts as another."""
        await store.change(adding(KEY))
        before = await store.changes(None)
        await sqlite_admin.backup(store, tmp_path / "copy.db")
        await store.change(erasing(KEY.id))
        await sqlite_admin.checkpoint(store)
        shutil.move(tmp_path / "copy.db", path)

        found, after = await store.find(KEY.id), await store.changes(None)

        assert not found.record.is_deleted  # type: ignore[union-attr] # the copy has it
        assert (before.revision, after.epoch) == (after.revision, found.epoch)
        assert before.epoch != after.epoch

    async def test_a_change_of_a_file_that_is_gone_is_no_success(self, store: SQLiteStore, path: Path) -> None:
        """A change that was committed to a file which has been moved away meanwhile is not acknowledged."""
        await store.change(adding(KEY))

        async def work(transaction: Transaction) -> None:
            await transaction.put_key(replace(KEY, name="Lost"))
            path.rename(path.with_name("moved.db"))

        with pytest.raises(StoreUnavailable):
            await store.change(work)

    def test_sf_19_a_file_system_without_wal_is_named(self, path: Path) -> None:
        """Where SQLite cannot share memory, Keyfob says which file is in the wrong place and does not start."""
        address = f"file:{path}?vfs=unix-dotfile"  # locks by files, and so has no shared memory either
        with closing(sqlite3.connect(address, uri=True)) as connection, pytest.raises(ConfigError) as caught:
            require_wal(connection, path)

        assert str(path) in str(caught.value)
