from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.store.contract.key_store import KeyQuery
from keyfob.store.opening import open_store
from keyfob.store.sql.migrations import Step
from keyfob.store.sqlite.migrations import SCHEMA, create_or_migrate, migrate, pending, steps
from tests.keyfob.store.samples import NOON, adding, erasing, key, putting

if TYPE_CHECKING:
    from pathlib import Path

_A_LATER_STEP = "INSERT INTO migrations SELECT max(number) + 1, 'later', '', 0 FROM migrations"
_NOT_FOR_US = "UPDATE meta SET min_reader = (SELECT max(number) + 1 FROM migrations)"
_STEPS = steps()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Run *statements* on the database; the rows of the last."""
    rows: list[tuple[object, ...]] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
    return rows


def test_steps_are_numbered_without_a_gap() -> None:
    """The file names are 1, 2, 3 … up to the schema that the code speaks of."""
    assert list(range(1, SCHEMA + 1)) == [step.number for step in steps()]


def test_released_steps_do_not_change() -> None:
    """A step that some database has taken already must stay as it was; a new step is a new file."""
    released = {
        "0001_first.sql": "63067c643d9460ac1601730124d0d49cbcdd71589711b062608c1a17a75592ed",
    }
    assert released == {step.name: step.checksum for step in steps()}


def test_migrating_twice_does_nothing_the_second_time(path: Path) -> None:
    """What is there is kept, and the epoch with it."""
    assert SCHEMA == migrate(path)
    before = execute(path, "SELECT epoch, revision FROM meta")

    assert 0 == migrate(path)
    assert before == execute(path, "SELECT epoch, revision FROM meta")


def test_every_database_has_an_epoch_of_its_own(path: Path) -> None:
    """Two databases made by the same code are not mistaken for each other."""
    migrate(path)
    migrate(path.with_name("other.db"))

    assert execute(path, "SELECT epoch FROM meta") != execute(path.with_name("other.db"), "SELECT epoch FROM meta")


def test_several_processes_may_start_at_once(path: Path) -> None:
    """Of five that make the same database at the same moment, one does the work and the others find it done."""
    program = "import sys; from pathlib import Path; from keyfob.store.sqlite.migrations import migrate; "
    program += "print(migrate(Path(sys.argv[1])))"
    command = [sys.executable, "-c", program, str(path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    taken = [int(process.communicate(timeout=60)[0]) for process in running]

    assert [0, 0, 0, 0, SCHEMA] == sorted(taken)


def test_a_step_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a step is undone, and the database is as it was."""
    migrate(path)
    broken = Step(SCHEMA + 1, "broken.sql", "CREATE TABLE half (name TEXT);\nCREATE TABLE half (name TEXT);\n")
    monkeypatch.setattr("keyfob.store.sqlite.migrations.steps", lambda: [*_STEPS, broken])

    with pytest.raises(ConfigError, match=r"keys\.db"):
        create_or_migrate(path)

    assert [] == execute(path, "SELECT name FROM sqlite_master WHERE name = 'half'")
    assert [(SCHEMA,)] == execute(path, "SELECT max(number) FROM migrations")


def test_a_step_may_hold_semicolons_in_texts_and_triggers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is split where SQLite ends a statement, not at every semicolon."""
    migrate(path)
    script = """
    -- a remark; with a semicolon
    CREATE TABLE noted (name TEXT DEFAULT 'a;b');
    CREATE TRIGGER twice AFTER INSERT ON noted BEGIN
        UPDATE noted SET name = name || ';';
        UPDATE noted SET name = name || ';';
    END;
    """
    monkeypatch.setattr("keyfob.store.sqlite.migrations.steps", lambda: [*_STEPS, Step(SCHEMA + 1, "x", script)])

    assert 1 == migrate(path)
    assert [("a;b;;",)] == execute(path, "INSERT INTO noted DEFAULT VALUES", "SELECT name FROM noted")


async def test_keys_are_found_where_sqlite_has_no_fts5(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite that was built without FTS5 keeps a plain table instead, and searching gives the same."""
    monkeypatch.setattr("keyfob.store.sqlite.migrations._HAS_FTS5", "SELECT 0")
    migrate(path)
    store = open_store(f"sqlite:///{path}")
    await store.change(adding(key(1, name="Before"), key(2, name="Other")))
    await store.change(putting(key(1, name="After ~")))
    await store.change(erasing(key(2).id))

    sought = ("before", "AFTER", "oth", key(1).id, "~", " ~", "~ ")
    found = [await store.views(KeyQuery(team=None, now=NOON, q=q)) for q in sought]

    assert [0, 1, 0, 1, 1, 1, 0] == [len(views) for views in found]
    assert [] == execute(path, "SELECT 1 FROM sqlite_master WHERE sql LIKE '%fts5%'")
    await store.close()


@pytest.mark.parametrize("tables", [["users"], ["users", "migrations"], ["meta"]])
def test_the_database_of_another_program_is_left_as_it_is(path: Path, tables: list[str]) -> None:
    """Its tables may have names of ours, but not all of them; nothing is added, not even a way of writing."""
    with closing(sqlite3.connect(path)) as connection:
        for table in tables:
            connection.execute(f"CREATE TABLE {table} (number)")
    path.chmod(0o644)
    before = path.read_bytes()

    for ask in (create_or_migrate, pending):
        with pytest.raises(ConfigError, match="holds tables of another program"):
            ask(path)

    assert (before, 0o644) == (path.read_bytes(), path.stat().st_mode & 0o777)


def test_a_changed_step_is_refused(path: Path) -> None:
    """A database that was made by other statements than these is not touched."""
    migrate(path)
    execute(path, "UPDATE migrations SET checksum = 'another'")

    with pytest.raises(ConfigError, match=re.escape("0001_first.sql")):
        migrate(path)


def test_a_newer_database_is_not_migrated(path: Path) -> None:
    """An old Keyfob does not lay its hands on what a newer one has made."""
    migrate(path)
    execute(path, _A_LATER_STEP)

    with pytest.raises(ConfigError, match="newer"):
        migrate(path)


async def test_mw_08_a_newer_schema_that_older_code_understands_is_served(path: Path) -> None:
    """During a rolling upgrade the old workers go on as long as the newer schema allows it."""
    migrate(path)
    execute(path, _A_LATER_STEP)
    store = open_store(f"sqlite:///{path}")

    assert 0 == (await store.changes(None)).revision
    await store.close()


def test_mw_08_a_newer_schema_that_older_code_does_not_understand_stops_the_start(path: Path) -> None:
    """A worker that cannot read the database says so when it starts, and what to do."""
    migrate(path)
    execute(path, _NOT_FOR_US)

    with pytest.raises(ConfigError, match="upgrade"):
        open_store(f"sqlite:///{path}")


async def test_mw_08_a_running_worker_stops_answering_when_it_no_longer_understands(path: Path) -> None:
    """A schema that changes under a running worker makes it answer 503, in old and in new connections."""
    migrate(path)
    running, waiting = open_store(f"sqlite:///{path}"), open_store(f"sqlite:///{path}")
    await running.changes(None)
    execute(path, _NOT_FOR_US)

    for store in (running, waiting):
        with pytest.raises(StoreUnavailable):
            await store.changes(None)
        await store.close()


def test_an_older_schema_stops_the_start(path: Path) -> None:
    """A worker does not migrate by itself: somebody who makes backups decides when."""
    migrate(path)
    execute(path, "DELETE FROM migrations")

    with pytest.raises(ConfigError, match="keyfob db migrate"):
        open_store(f"sqlite:///{path}")
