"""What ``keyfob db`` does with a SQLite store. Each works beside processes that are serving requests."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.audit import verify_chain
from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.store.sql import rows
from keyfob.store.sql.lasting_rows import LASTING
from keyfob.store.sql.listing import EVENT_COLUMNS
from keyfob.store.sqlite.files import address, make_private, open_plainly, translate_failures
from keyfob.store.sqlite.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keyfob.audit import Event
    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.sqlite.store import SQLiteStore

_ATTEMPTS = 40  # a quarter of a second each: how often a copy is tried while others hold the database's lock

_STATUS = """
SELECT (SELECT max(number) FROM migrations), revision, epoch, (SELECT journal_mode FROM pragma_journal_mode),
       (SELECT count(*) FROM teams WHERE deleted_at IS NULL), (SELECT count(*) FROM keys WHERE deleted_at IS NULL),
       (SELECT count(*) FROM keys WHERE deleted_at IS NOT NULL), audit_count
FROM meta
"""


_DROP_WHAT_PASSES = """
DELETE FROM drafts;
DELETE FROM sign_in_links;
DELETE FROM handovers WHERE collected_at IS NULL;
DELETE FROM sessions;
DELETE FROM workers;
UPDATE quota_use SET leased = 0;
"""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a database in numbers."""

    schema: int
    revision: int
    epoch: str
    journal_mode: str
    teams: int
    keys: int
    deleted_keys: int
    audit_events: int


async def status(store: SQLiteStore) -> Status:
    """Describe the database."""
    return await asyncio.to_thread(_status, store.path)


async def verify(store: SQLiteStore, audit_keys: Mapping[str, bytes]) -> list[str]:
    """Everything that is wrong with the file and its audit log; *audit_keys* are those of the keyring, by character."""
    return await asyncio.to_thread(_verify, store.path, audit_keys)


async def checkpoint(store: SQLiteStore) -> None:
    """Move what the write-ahead log holds into the database, and empty it: what was erased is gone from both."""
    await asyncio.to_thread(_checkpoint, store.path)


async def backup(store: SQLiteStore, target: Path) -> None:
    """Copy the database as it is now into the new file *target*, mode 0600. Raises ConfigError if that exists."""
    await backup_file(store.path, target)


async def backup_file(path: Path, target: Path) -> None:
    """The same for the database at *path*, whichever schema it has: also before it is migrated."""
    await asyncio.to_thread(_backup, path, target)


async def restore(store: SQLiteStore, source: Path, *, event: Event | None = None) -> None:
    """Put the content of the backup *source* in place of what the database holds now, in one step.

    The epoch is new and the revision higher than both were, so that every worker forgets what it has cached. Sessions,
    sign-in links and drafts of the backup are dropped: since then they may have ended or been used. What was told, and
    what is used of quotas, stays so.
    *event* is appended to the restored audit log.

    Raises:
        ConfigError: *source* is missing, damaged or belongs to a newer Keyfob. Nothing has changed then.
    """
    await asyncio.to_thread(_restore, store.path, source)
    store.signal.publish_unknown()

    async def note(transaction: Transaction) -> None:
        await transaction.next_revision()
        if event is not None:
            await transaction.append(event)

    await store.change(note)


def _status(path: Path) -> Status:
    with translate_failures(), closing(open_plainly(path)) as connection:
        return Status(*connection.execute(_STATUS).fetchone())


def _verify(path: Path, audit_keys: Mapping[str, bytes]) -> list[str]:
    with translate_failures(), closing(open_plainly(path)) as connection:
        connection.execute("BEGIN")  # one snapshot, so that an event written meanwhile is no fault
        return [*_damage(connection), *_audit_faults(connection, audit_keys)]


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    for (problem,) in connection.execute("PRAGMA integrity_check"):
        if problem != "ok":
            yield f"integrity: {problem}"
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"integrity: a row of {table} refers to a row of {parent} that is not there"


def _audit_faults(connection: sqlite3.Connection, audit_keys: Mapping[str, bytes]) -> Iterator[str]:
    count, head = connection.execute("SELECT audit_count, audit_head FROM meta").fetchone()
    found = connection.execute(f"SELECT {EVENT_COLUMNS} FROM audit_events ORDER BY seq")  # noqa: S608 (a constant)
    for fault in verify_chain(map(rows.event_of, found), count=count, head=bytes(head), keys=audit_keys):
        yield f"audit event {fault.seq}: {fault.what}"


def _checkpoint(path: Path) -> None:
    with translate_failures(), closing(open_plainly(path)) as connection:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreUnavailable("the write-ahead log is in use; try again")


def _backup(path: Path, target: Path) -> None:
    try:
        make_private(target, exclusively=True)
    except OSError as error:
        raise ConfigError(f"cannot make {target}: {error.strerror}; name a new file in a folder that exists") from error
    try:
        with translate_failures(), closing(open_plainly(path)) as source:
            _demand_ours(source, path)
            _copy(source, target)
    except BaseException:
        target.unlink()
        raise


def _demand_ours(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
        raise ConfigError(f"{path} holds nothing of Keyfob's, so that there is nothing to copy")


def _restore(path: Path, source: Path) -> None:
    """Make the new content ready in a private file first: what the others see then changes in one transaction."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".keyfob-restore-") as folder:
        ready = Path(folder, "ready.db")
        try:
            with closing(_open_backup(source)) as connection:
                _demand_whole(connection, source)
                make_private(ready, exclusively=True)
                _copy(connection, ready)
            migrate(ready)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(ready), str(source))) from error
        except sqlite3.Error as error:
            raise ConfigError(f"{source} cannot be restored: {error}") from error
        with translate_failures():
            revision = _status(path).revision
            with closing(open_plainly(ready)) as connection:
                connection.execute(
                    "UPDATE meta SET epoch = ?, revision = max(revision, ?) + 1", (secrets.token_hex(16), revision)
                )
                connection.executescript(_DROP_WHAT_PASSES)
                connection.execute("ATTACH ? AS present", (address(path),))
                for table, statement in LASTING.items():
                    with suppress(sqlite3.DatabaseError):  # of a damaged database, that does not keep the backup out
                        connection.execute(statement.format(table=f"main.{table}", present=f"present.{table}"))
                connection.execute("DETACH present")
                _copy(connection, path)


def _open_backup(source: Path) -> sqlite3.Connection:
    """Open *source*, also where this account may not write, as long as no log beside it belongs to it."""
    if source.with_name(f"{source.name}-wal").exists():
        return open_plainly(source)
    return sqlite3.connect(address(source, "mode=ro&immutable=1"), uri=True, isolation_level=None)


def _demand_whole(connection: sqlite3.Connection, source: Path) -> None:
    damage = list(_damage(connection))
    if damage:
        raise ConfigError(f"{source} is damaged: {damage[0]}")
    connection.execute("SELECT revision FROM meta").fetchone()


def _copy(source: sqlite3.Connection, target: Path) -> None:
    attempts = 0

    def count(_status: int, remaining: int, _total: int) -> None:
        nonlocal attempts
        attempts += 1
        if remaining and attempts > _ATTEMPTS:
            raise StoreUnavailable("the database stays locked")

    with closing(open_plainly(target)) as connection:
        source.backup(connection, progress=count)
