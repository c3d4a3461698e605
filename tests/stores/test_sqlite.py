# ruff: noqa: ASYNC240 (the tests look at the files of a store in an event loop that has nothing else to do)
from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.hashing import Argon2Parameters, hash_secret
from keyfob.store import KeyQuery, StoredSecret, Use, open_store, sqlite_admin
from keyfob.store.sqlite import SQLiteStore
from keyfob.store.sqlite_files import require_wal
from keyfob.store.sqlite_migrations import SCHEMA
from tests.stores.contract import StoreContract
from tests.stores.samples import (
    KEY,
    NOON,
    RING_KEY,
    SECRET,
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
    from collections.abc import AsyncIterator, Iterator

    from keyfob.store import KeyStore, Transaction

AUDIT_KEYS = {RING_KEY.char: RING_KEY.audit_key}


def opened(path: Path, *, create: bool = False) -> SQLiteStore:
    made = open_store(f"sqlite:///{path}", seal_with=lambda: RING_KEY, create=create)
    assert isinstance(made, SQLiteStore)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    made = opened(path, create=True)
    yield made
    await made.close()


@pytest.fixture
async def other(path: Path, store: SQLiteStore) -> AsyncIterator[SQLiteStore]:  # after the store, which makes the file
    made = opened(path)
    yield made
    await made.close()


def run_python(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run *program* in a process of its own, which coverage leaves alone: it may become a user who cannot write."""
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)


class TestSQLiteStore(StoreContract):
    """The contract, on a real file."""


class TestFiles:
    @pytest.mark.parametrize("umask", [0, 0o022, 0o777])
    async def test_se_08_files_are_for_their_owner_alone(self, tmp_path: Path, umask: int) -> None:
        """Database, write-ahead log, shared memory, doorbell and backup are 0600 whatever the umask."""
        before = os.umask(umask)
        try:
            store = opened(tmp_path / "keys.db", create=True)
            await store.change(adding(KEY))
            await sqlite_admin.backup(store, tmp_path / "copy.db")
        finally:
            os.umask(before)

        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        await store.close()
        names = ["keys.db", "keys.db-wal", "keys.db-shm", "keys.db-bell", "copy.db"]
        assert dict.fromkeys(names, 0o600) == modes

    async def test_se_06_a_deleted_keys_secrets_are_gone_from_the_files(self, store: SQLiteStore, path: Path) -> None:
        """After a checkpoint neither the hash nor the proof of a deleted key is found in any file."""
        secret = StoredSecret("$argon2id$CANARY-OF-THE-HASH", b"CANARY-OF-THE-PROOF")

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
            connection.execute("UPDATE keys SET permissions = 'CANARY'")

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

    async def test_a_database_without_tables_is_unavailable(self, path: Path) -> None:
        """A database of another program is not taken for one without keys."""
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE other_things (name TEXT)")
        store = opened(path)

        with pytest.raises(StoreUnavailable):
            await store.find(KEY.id)
        await store.close()

    async def test_a_database_that_comes_later_is_found(self, path: Path) -> None:
        """A worker that started too early begins to work when the database is there, doorbell included."""
        store = opened(path)
        with pytest.raises(StoreUnavailable):
            await store.changes(None)
        assert [] == list(path.parent.iterdir())

        writer = opened(path, create=True)
        assert 0 == await revision_of(store)
        rung = store.doorbell[0]
        await writer.change(adding(KEY))

        assert rung != store.doorbell[0]
        assert store.applies_at_once
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


class TestLocks:
    async def test_a_lock_held_by_others_is_waited_for_and_then_unavailable(
        self, store: SQLiteStore, path: Path
    ) -> None:
        """SF-05: while somebody else writes, changes fail in bounded time, reads go on, and later all is well."""
        await store.change(adding(KEY))
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
                await store.change(erasing(KEY.id))
            assert SECRET == (await store.find(KEY.id)).secret
            holder.execute("ROLLBACK")

        await store.change(erasing(KEY.id))
        assert None is (await store.find(KEY.id)).secret

    async def test_whoever_writes_almost_without_a_pause_keeps_nobody_out(self, store: SQLiteStore, path: Path) -> None:
        """SF-05: beside another writer whose slow disk leaves the lock free for instants, every change gets through."""
        enough = threading.Event()

        def write_without_end() -> None:
            with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as holder:
                while not enough.wait(0.002):
                    with suppress(sqlite3.OperationalError):
                        holder.execute("BEGIN IMMEDIATE")
                        time.sleep(0.1)
                        holder.execute("ROLLBACK")

        writing = asyncio.create_task(asyncio.to_thread(write_without_end))
        try:
            for number in range(16):
                await store.change(adding(key(number)))
                await asyncio.sleep(0.02)  # until the other one writes again
        finally:
            enough.set()
            await writing

        assert 16 == len(await store.views(KeyQuery(TEAM.id, NOON)))

    async def test_cancelled_begins_leave_no_transaction_open(self, store: SQLiteStore, path: Path) -> None:
        """Callers cancelled at any point while another process holds the lock shut out no writer afterwards."""
        await store.change(adding(*(key(number) for number in range(30))))
        chance = random.Random(20310504)  # noqa: S311 (which callers are cancelled when; no secret)
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            callers = [asyncio.create_task(store.change(putting(key(n, name="Changed")))) for n in range(30)]
            for caller in callers:
                await asyncio.sleep(chance.random() / 200)
                caller.cancel()
            ended = await asyncio.gather(*callers, return_exceptions=True)
            holder.execute("ROLLBACK")
        assert {asyncio.CancelledError} == {type(end) for end in ended}

        await store.change(putting(key(0, name="Changed")))
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as writer:
            writer.execute("BEGIN IMMEDIATE")

    def test_a_loop_that_ends_in_the_midst_leaves_no_transaction_open(self, store: SQLiteStore, path: Path) -> None:
        """When the whole event loop is shut down during changes, each is made or not, and nobody is locked out."""
        asyncio.run(store.change(adding(*(key(number) for number in range(10)))))

        async def leave_in_the_midst() -> None:
            begun = asyncio.Event()

            async def dawdle(transaction: Transaction) -> None:
                await transaction.put_key(key(0, name="Half a change"))
                begun.set()
                await asyncio.sleep(30)

            dawdling = asyncio.create_task(store.change(dawdle))
            await begun.wait()
            waiting = asyncio.create_task(store.change(putting(key(1, name="Changed"))))
            await asyncio.sleep(0)
            assert {False} == {dawdling.done(), waiting.done()}

        asyncio.run(leave_in_the_midst())
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            assert [("Key 000",)] == writer.execute("SELECT name FROM keys WHERE id = ?", (key(0).id,)).fetchall()

    async def test_a_commit_of_uncertain_fate_makes_everyone_look(self, store: SQLiteStore, other: SQLiteStore) -> None:
        """Where the writer was stopped in a change, the doorbell shows a number that no other change will show."""
        await other.changes(None)
        seen = {other.doorbell[0]}

        async def fail(transaction: Transaction) -> None:
            await transaction.next_revision()
            raise ZeroDivisionError

        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await store.change(fail)
            seen.add(other.doorbell[0])

        assert 4 == len(seen)

    def test_one_store_serves_several_event_loops(self, store: SQLiteStore) -> None:
        """A store that was used in one event loop goes on in the next, and in two at the same time."""
        asyncio.run(store.change(adding(*(key(number) for number in range(4)))))

        async def rename(numbers: Iterator[int]) -> None:
            for number in numbers:
                await store.change(putting(key(number, name="Renamed")))

        threads = [
            threading.Thread(target=lambda start=start: asyncio.run(rename(iter(range(start, 4, 2)))))
            for start in (0, 1)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        views = asyncio.run(store.views(KeyQuery(TEAM.id, NOON)))
        assert ["Renamed"] * 4 == [view.record.name for view in views]

    async def test_a_change_that_waits_too_long_for_its_turn_is_unavailable(
        self, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Behind a change that does not end, the next is told so instead of waiting for ever."""
        monkeypatch.setattr("keyfob.store.sqlite.TURN_TIMEOUT", 0.01)
        go_on = asyncio.Event()
        slow = asyncio.create_task(store.change(lambda _: go_on.wait()))
        await asyncio.sleep(0.05)

        with pytest.raises(StoreUnavailable):
            await store.change(adding(KEY))

        go_on.set()
        await slow


class TestProcesses:
    def test_a_forgotten_close_does_not_keep_the_process(self, path: Path) -> None:
        """A program that never closes the store ends all the same, with what it was told kept."""
        program = """
            import asyncio, sys
            from tests.stores.samples import KEY, adding
            from tests.stores.test_sqlite import opened, Path
            store = opened(Path(sys.argv[1]), create=True)
            asyncio.run(store.change(adding(KEY)))
            print("done")
        """
        ended = run_python(program, path)

        assert (0, "done\n", "") == (ended.returncode, ended.stdout, ended.stderr)
        with closing(sqlite3.connect(path)) as connection:
            assert [(KEY.id,)] == connection.execute("SELECT id FROM keys").fetchall()

    def test_sf_11_an_acknowledged_change_survives_being_killed(self, path: Path) -> None:
        """Whatever `change` returned for is there after SIGKILL, and usage that was flushed too."""
        program = """
            import asyncio, os, signal, sys
            from tests.stores.samples import KEY, NOON, adding
            from tests.stores.test_sqlite import opened, Path, Use
            async def work():
                store = opened(Path(sys.argv[1]), create=True)
                await store.change(adding(KEY))
                await store.add_usage({KEY.id: Use(NOON, "192.0.2.7")})
                os.kill(os.getpid(), signal.SIGKILL)
            asyncio.run(work())
        """
        assert -9 == run_python(program, path).returncode

        view = asyncio.run(opened(path).view(KEY.id))
        assert view is not None
        assert (KEY.name, NOON) == (view.record.name, view.last_used.at if view.last_used else None)

    async def test_sf_08_a_worker_that_may_only_read_serves_and_cannot_change(self) -> None:
        """Where the files are read-only, keys are found, the doorbell is heard, and a change is StoreUnavailable."""
        if os.geteuid() != 0:
            pytest.skip("only root can become another user")
        program = """
            import asyncio, os, sys
            from tests.stores.samples import KEY, erasing
            from tests.stores.test_sqlite import opened, Path, StoreUnavailable
            async def work():
                store = opened(Path(sys.argv[1]))
                print((await store.find(KEY.id)).record.id, store.doorbell[0], store.applies_at_once)
                try:
                    await store.change(erasing(KEY.id))
                except StoreUnavailable as error:
                    print(error)
                await store.close()
            os.setgid(65534)
            os.setuid(65534)
            asyncio.run(work())
        """
        with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
            Path(folder).chmod(0o755)
            store = opened(Path(folder, "keys.db"), create=True)
            await store.change(adding(KEY))
            for file in Path(folder).iterdir():
                file.chmod(0o644)
            ended = run_python(program, store.path)
            await store.close()

        expected = f"{KEY.id} 1 False\nthe database cannot answer (SQLITE_READONLY)\n"
        assert (expected, "") == (ended.stdout, ended.stderr)


class TestAdministration:
    async def test_a_backup_is_restored_as_another_epoch(
        self, store: SQLiteStore, other: SQLiteStore, tmp_path: Path
    ) -> None:
        """SF-17: after a restore every worker sees a new epoch, a higher revision and a rung bell."""
        await store.change(adding(KEY))
        await store.change(appending(event()))
        await sqlite_admin.backup(store, tmp_path / "copy.db")
        await store.change(erasing(KEY.id))
        await store.change(appending(event("key.deleted")))
        before, rung = await other.changes(None), other.doorbell[0]

        await sqlite_admin.restore(store, tmp_path / "copy.db", event=event("db.restored"))

        assert rung != other.doorbell[0]
        after = await other.changes(None)
        assert before.epoch != after.epoch
        assert before.revision < after.revision
        assert SECRET == (await other.find(KEY.id)).secret
        assert [] == await sqlite_admin.verify(store, AUDIT_KEYS)
        assert 2 == (await store.audit_head())[0]
        assert ["copy.db", "keys.db", "keys.db-bell", "keys.db-shm", "keys.db-wal"] == sorted(
            file.name for file in tmp_path.iterdir()
        )

    async def test_a_backup_overwrites_nothing(self, store: SQLiteStore, tmp_path: Path) -> None:
        """A file that is there, be it an older backup, stays as it is."""
        (tmp_path / "copy.db").write_text("precious")

        with pytest.raises(ConfigError, match=r"copy\.db"):
            await sqlite_admin.backup(store, tmp_path / "copy.db")

        assert "precious" == (tmp_path / "copy.db").read_text()

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


class TestOpening:
    @pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:", "mysql://host/db", "keys.db", ""])
    def test_an_address_that_names_no_file_is_refused(self, url: str) -> None:
        """What cannot be shared by workers, or is not known, is a ConfigError."""
        with pytest.raises(ConfigError):
            open_store(url, seal_with=lambda: RING_KEY)

    async def test_a_relative_address_is_that_of_the_start(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A process that changes its folder later goes on with the same database."""
        monkeypatch.chdir(tmp_path)
        store = open_store(f"sqlite:///{path.name}", seal_with=lambda: RING_KEY, create=True)
        monkeypatch.chdir("/")

        await store.change(adding(KEY))

        assert path.exists()
        await store.close()

    async def test_two_names_of_one_database_have_one_doorbell(self, store: SQLiteStore, path: Path) -> None:
        """Whoever opens the database through a link hears the same bell."""
        link = path.with_name("link.db")
        link.symlink_to(path)
        linked = opened(link)
        rung = linked.doorbell[0]

        await store.change(adding(KEY))

        assert rung != linked.doorbell[0]
        await linked.close()

    async def test_without_a_ring_nothing_is_appended(self, path: Path) -> None:
        """A process that holds no ring cannot write a log that nobody could verify."""
        store: KeyStore = open_store(f"sqlite:///{path}", create=True)

        with pytest.raises(ConfigError):
            await store.change(appending(event()))
        await store.close()

    def test_a_database_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        """Where the folder is missing, the error says which file could not be made."""
        with pytest.raises(ConfigError, match=r"keys\.db"):
            opened(tmp_path / "missing" / "keys.db", create=True)

    async def test_use_is_written_beside_a_change_in_the_making(self, store: SQLiteStore) -> None:
        """A flush of usage waits for the change before it instead of failing."""
        await store.change(adding(KEY))
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def work(transaction: Transaction) -> None:
            await transaction.put_key(KEY)
            begun.set()
            await go_on.wait()

        change = asyncio.create_task(store.change(work))
        await begun.wait()
        flush = asyncio.create_task(store.add_usage({KEY.id: Use(NOON, None)}))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(change, flush)

        view = await store.view(KEY.id)
        assert view is not None
        assert view.last_used is not None
