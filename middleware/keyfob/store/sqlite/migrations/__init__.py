"""The numbered steps from nothing to the present schema. They go forward only, and never change once released."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError
from keyfob.store.sql.migrations import Step, missing_steps, steps_in
from keyfob.store.sqlite.files import make_private, open_plainly, repair, require_wal

if TYPE_CHECKING:
    from pathlib import Path

    import aiosqlite

SCHEMA = 1  # the number of the newest step that this code knows

_LEDGER = """
CREATE TABLE IF NOT EXISTS migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at INTEGER NOT NULL
)
"""
_READY = "SELECT (SELECT max(number) FROM migrations), (SELECT min_reader FROM meta)"
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
_CONDITION = re.compile(r"^-- only (with|without) fts5$", re.MULTILINE)
_HAS_FTS5 = "SELECT count(*) FROM pragma_module_list WHERE name = 'fts5'"
_PATIENCE = 50  # attempts of 0.1 s: switching to WAL does not wait for locks by itself


def steps() -> list[Step]:
    """All steps, in their order."""
    return steps_in(__name__)


def migrate(path: Path) -> int:
    """Bring the database at *path* to the present schema, making it if need be; how many steps that took.

    Safe when several processes do it at once: the first does the work while the others wait.

    Raises:
        ConfigError: the file system cannot do write-ahead logging, the database belongs to a newer Keyfob or to
            another program, or its steps are not those of this one.
        sqlite3.Error: it is no database, or stays locked.
    """
    if path.exists():
        with closing(open_plainly(path)) as found:
            _refuse_other_programs(found, path)  # before anything of theirs is changed
    make_private(path, exclusively=False)
    connection = open_plainly(path)
    try:
        _patiently_require_wal(connection, path)
        connection.execute("BEGIN IMMEDIATE")
        try:
            taken = _apply_missing(connection, path)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
        return taken
    finally:
        connection.close()


def pending(path: Path) -> list[str]:
    """Name the steps that `migrate` would take; all, where there is no database. Raises ConfigError."""
    if not path.exists():
        return [step.name for step in steps()]
    try:
        with closing(open_plainly(path)) as connection:
            _refuse_other_programs(connection, path)
            has_ledger = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'").fetchone()[
                0
            ]
            found = connection.execute("SELECT number, checksum FROM migrations").fetchall() if has_ledger else []
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"the database at {path} cannot be read: {error}") from error
    return [step.name for step in missing_steps(steps(), dict(found), path)]


def _refuse_other_programs(connection: sqlite3.Connection, path: Path) -> None:
    names = {name for (name,) in connection.execute(_TABLES)}
    if names and not {"meta", "migrations"} <= names:
        raise ConfigError(
            f"{path} holds tables of another program; name a file of Keyfob's own (setting `store`, KEYFOB_STORE_URL)"
        )


def create_or_migrate(path: Path) -> None:
    """Bring the database at *path* to the present schema, making it if need be; every failure is a ConfigError."""
    try:
        migrate(path)
    except (OSError, sqlite3.Error) as error:
        said = "; ".join(filter(None, (str(error), repair(path, str(error)))))
        raise ConfigError(f"cannot make or migrate the database at {path}: {said}") from error


def _patiently_require_wal(connection: sqlite3.Connection, path: Path) -> None:
    for attempt in range(_PATIENCE):
        try:
            return require_wal(connection, path)
        except sqlite3.OperationalError:
            if attempt == _PATIENCE - 1:
                raise
            time.sleep(0.1)
    return None


def _apply_missing(connection: sqlite3.Connection, path: Path) -> int:
    connection.execute(_LEDGER)
    applied = dict(connection.execute("SELECT number, checksum FROM migrations").fetchall())
    missing = missing_steps(steps(), applied, path)
    for step in missing:
        for statement in _statements(step.sql):
            if _is_meant(statement, connection):
                connection.execute(statement)
        values = (step.number, step.name, step.checksum, time.time_ns() // 1000)
        connection.execute("INSERT INTO migrations (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)", values)
    return len(missing)


def _is_meant(statement: str, connection: sqlite3.Connection) -> bool:
    """Whether *statement* is for a SQLite like this one: most are for every one."""
    condition = _CONDITION.search(statement)
    if condition is None:
        return True
    ((has_fts5,),) = connection.execute(_HAS_FTS5)
    return (condition[1] == "with") is bool(has_fts5)


def _statements(script: str) -> list[str]:
    """Split *script*; `executescript` would commit what is open first."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found


def judge_schema(number: int | None, min_reader: int | None, path: Path) -> None:
    """Raise ConfigError unless this code can work with a database of schema *number*."""
    if not isinstance(number, int) or not isinstance(min_reader, int) or number < SCHEMA:
        raise ConfigError(f"{path} has not got the present schema; run `keyfob db migrate`")
    if min_reader > SCHEMA:
        raise ConfigError(
            f"{path} belongs to a newer Keyfob (it needs schema {min_reader}, this has {SCHEMA}); upgrade"
        )


async def check_schema(connection: aiosqlite.Connection, path: Path) -> None:
    """Raise ConfigError unless this code can work with the database that is open."""
    ((number, min_reader),) = await connection.execute_fetchall(_READY)
    judge_schema(number, min_reader, path)


def check_schema_now(path: Path) -> None:
    """The same at start, for a file that may not be there yet or not be readable just now: then nothing is said.

    That its file system cannot do write-ahead logging, however, is.
    """
    try:
        connection = open_plainly(path)
    except (sqlite3.Error, UnicodeDecodeError):  # SQLite's message may quote what is damaged
        return
    try:
        _refuse_other_programs(connection, path)
        number, min_reader = connection.execute(_READY).fetchone()
    except (sqlite3.Error, UnicodeDecodeError, TypeError):
        return
    finally:
        connection.close()
    judge_schema(number, min_reader, path)
