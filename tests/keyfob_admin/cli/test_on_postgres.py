from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING

import asyncpg
import pytest

from keyfob.store.postgres.migrations import SCHEMA
from tests import postgres_server
from tests.keyfob_admin.cli.conftest import typed
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database that the environment names."""
    made = fresh_database(empty=True)
    with asyncio.Runner() as runner:
        url = runner.run(made.__aenter__())
        monkeypatch.setenv("KEYFOB_STORE_URL", url)
        yield url
        runner.run(made.__aexit__(None, None, None))


def test_an_installation_on_postgresql(database: str) -> None:
    """`keyfob init` makes everything in an empty database, once; what is made there is found there."""
    first = typed("init")
    assert (0, 1) == (first.code, len(first.out.splitlines())), first.err

    assert 5 == typed("init").code
    assert 0 == typed("keys", "create", "ci").code
    assert {"admin", "ci"} == {key["name"] for key in typed("keys", "list", "--json").data["keys"]}
    assert 0 == typed("doctor").code
    assert 0 == typed("audit", "verify").code
    assert 0 == typed("db", "migrate").code


def test_status_counts(database: str) -> None:
    """The schema, the server and how much there is are told."""
    typed("init")

    told = typed("db", "status", "--json").data

    assert (database, SCHEMA, 1, 1, 0) == (
        told["url"],
        told["schema"],
        told["teams"],
        told["keys"],
        told["deleted_keys"],
    )
    assert "server" in typed("db", "status").out


def test_the_audit_log_is_verified(database: str) -> None:
    """`keyfob db verify` checks the log on PostgreSQL, too, and finds an event that was changed."""
    typed("init")
    whole = typed("db", "verify")
    assert (0, "") == (whole.code, whole.out)
    assert "pg_amcheck" in whole.err

    with asyncio.Runner() as runner:
        runner.run(change(database, "UPDATE keyfob.audit_events SET actor_name = 'somebody else' WHERE seq = 2"))

    verified = typed("db", "verify", "--json")
    assert (3, False) == (verified.code, verified.data["ok"])
    assert "audit event 2" in verified.data["faults"][0]


async def change(database: str, statement: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def programs(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's own programs, as new as the server, on the path."""
    monkeypatch.setenv("PATH", f"{postgres_server._programs()}{os.pathsep}{os.environ['PATH']}")


def test_a_backup_is_put_back(database: str, folder: Path, programs: None) -> None:
    """What was made since is gone, what was disabled works again, and the audit log says who restored which file."""
    typed("init")
    kept = typed("keys", "create", "kept", "--json").data["key"]["id"]
    made = typed("db", "backup", "copy")
    assert (0, 0o600) == (made.code, (folder / "copy").stat().st_mode & 0o777), made.err
    before = typed("db", "status", "--json").data
    typed("keys", "disable", kept)
    typed("keys", "create", "later")

    restored = typed("db", "restore", "copy", "--yes")

    assert 0 == restored.code, restored.err
    found = {key["name"]: key["state"] for key in typed("keys", "list", "--json").data["keys"]}
    assert {"admin": "active", "kept": "active"} == found
    after = typed("db", "status", "--json").data
    assert after["revision"] > before["revision"]
    assert before["epoch"] != after["epoch"]
    assert 0 == typed("audit", "verify").code
    assert "db.restored" in typed("audit", "tail").out


HELD = """
SELECT held.relation::regclass::text FROM pg_locks held JOIN pg_locks wanted USING (pid)
JOIN pg_class ON pg_class.oid = held.relation AND relkind = 'r' AND relnamespace = 'keyfob'::regnamespace
WHERE held.granted AND held.mode = 'AccessExclusiveLock'
  AND NOT wanted.granted AND wanted.relation = 'keyfob.meta'::regclass LIMIT 1
"""


def test_a_backup_is_put_back_under_a_worker_that_reads(database: str, folder: Path, programs: None) -> None:
    """Where PostgreSQL ends the restore because a reader and it wait for each other, it is tried again."""
    typed("init")
    assert 0 == typed("db", "backup", "copy").code

    async def stand_in_the_way() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute(f"ALTER DATABASE {database.rpartition('/')[2]} SET deadlock_timeout = '3s'")
        async with connection.transaction():
            await connection.execute("SET LOCAL deadlock_timeout = '90s'")  # the other is the one to be ended
            await connection.execute("LOCK TABLE keyfob.meta IN ACCESS SHARE MODE")
            restoring = asyncio.create_task(asyncio.to_thread(typed, "db", "restore", "copy", "--yes"))
            while (table := await connection.fetchval(HELD)) is None:
                assert not restoring.done()
                await asyncio.sleep(0.01)
            await connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
        await connection.close()
        done = await restoring
        assert 0 == done.code, done.err

    asyncio.run(stand_in_the_way())
    assert ["admin"] == [key["name"] for key in typed("keys", "list", "--json").data["keys"]]


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_backup_is_put_back_by_who_may_make_no_schema(
    database: str, folder: Path, programs: None, monkeypatch: pytest.MonkeyPatch, *, is_lost: bool
) -> None:
    """The schema that was made for them is kept, whether there is something in it or not."""
    role = f"restorer_{is_lost}".lower()
    make = f"CREATE SCHEMA keyfob AUTHORIZATION {role}"
    monkeypatch.setenv("KEYFOB_STORE_URL", database.replace("//keyfob@", f"//{role}@"))
    asyncio.run(change(database, f"CREATE ROLE {role} LOGIN; {make}"))
    assert 0 == typed("init").code
    assert 0 == typed("db", "backup", "copy").code
    if is_lost:
        asyncio.run(change(database, f"DROP SCHEMA keyfob CASCADE; {make}"))

    restored = typed("db", "restore", "copy", "--yes")
    asyncio.run(change(database, f"DROP OWNED BY {role}; DROP ROLE {role}"))

    assert 0 == restored.code, restored.err


def test_a_restore_that_cannot_reach_the_database(
    database: str, folder: Path, programs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What PostgreSQL refuses is said in one line, and doctor says where to look."""
    typed("init")
    assert 0 == typed("db", "backup", "copy").code
    monkeypatch.setenv("KEYFOB_STORE_URL", f"{database}-that-is-not-there")

    refused = typed("db", "restore", "copy", "--yes")

    assert (1, 1) == (refused.code, len(refused.err.splitlines()))
    assert "see that PostgreSQL runs there" in typed("doctor").out


def test_a_server_that_speaks_another_language(
    database: str, folder: Path, programs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What two who wait for each other are told is known by the names of the locks, which nobody translates."""
    typed("init")
    assert 0 == typed("db", "backup", "copy").code
    said = (
        "FEHLER: Verklemmung (Deadlock) entdeckt DETAIL: Prozess 7 wartet auf AccessExclusiveLock-Sperre auf Relation 9"
    )
    program = folder / "pg_restore"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nrm {program}\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    restored = typed("db", "restore", "copy", "--yes")

    assert (0, False) == (restored.code, program.exists()), restored.err


def test_ff_52_nobodys_session_or_link_comes_back(database: str, folder: Path, programs: None) -> None:
    """Sessions, sign-in links and handover links of before are void, whichever program made the backup."""
    typed("init")
    pending = typed("keys", "create", "partner", "--handover", "--json").data["key"]["id"]
    typed("console", "login")
    subprocess.run(["pg_dump", "-Fc", "-n", "keyfob", "-f", "copy", "-d", database], check=True)

    assert 0 == typed("db", "restore", "copy", "--yes").code

    with asyncio.Runner() as runner:
        left = runner.run(
            value(
                database, "SELECT (SELECT count(*) FROM keyfob.sign_in_links), (SELECT count(*) FROM keyfob.handovers)"
            )
        )
    assert (0, 0) == tuple(left or ())
    assert 0 == typed("keys", "handover", pending).code


def test_a_backup_that_cannot_be_made_leaves_no_file(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without PostgreSQL's programs, or where they fail, one line says why, without the password."""
    typed("init")
    monkeypatch.setenv("PATH", str(folder))
    missing = typed("db", "backup", "copy")
    (folder / "pg_dump").write_text("#!/bin/sh\necho hush: cannot connect >&2\nexit 1\n")
    (folder / "pg_dump").chmod(0o755)
    monkeypatch.setenv("KEYFOB_STORE_URL", database.replace("keyfob@", "keyfob:hush@"))
    failing = typed("db", "backup", "copy")

    assert (1, 1) == (missing.code, failing.code)
    assert "pg_dump is not installed" in missing.err
    assert "pg_dump failed: …: cannot connect" in failing.err
    assert not (folder / "copy").exists()


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://keyfob:h%75sh@db/keyfob", "hush"),
        ("postgresql://keyfob@db/keyfob?sslmode=require&password=h%75sh", "hush"),
        ("postgresql://keyfob:other@db/keyfob?password=hush", "hush"),
        ("postgresql://keyfob@db/keyfob", ""),
    ],
)
def test_no_argument_of_a_program_holds_a_password(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, password: str
) -> None:
    """Whoever lists processes sees arguments, so that a password goes by the environment, wherever the URL has it."""
    keyring = '[store]\nkeyring = "keyfob.keyring"\n'
    (folder / "keyfob.toml").write_text(keyring)
    (folder / "pg_dump").write_text('#!/bin/sh\necho "$PGPASSWORD" > told; echo "$@" > arguments\n')
    (folder / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("KEYFOB_STORE_URL", url)

    assert 0 == typed("db", "backup", "copy").code
    told, arguments = (folder / "told").read_text().strip(), (folder / "arguments").read_text()
    assert password == told
    assert not any(word in arguments for word in ("hush", "h%75sh", "other"))
    assert ("sslmode=require" in url) is ("sslmode=require" in arguments)


def test_a_client_key_s_password_is_not_handed_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's programs take it only as an argument."""
    monkeypatch.setenv("KEYFOB_STORE_URL", "postgresql://keyfob@db/keyfob?sslpassword=hush")
    monkeypatch.setenv("KEYFOB_KEYRING", str(folder / "keyfob.keyring"))
    (folder / "pg_dump").write_text("#!/bin/sh\n")
    (folder / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    refused = typed("db", "backup", "copy")

    assert 1 == refused.code
    assert "sslpassword would be shown" in refused.err
    assert "hush" not in refused.err


def test_a_dry_run_names_the_steps(database: str) -> None:
    """An empty database would take all of them, a present one none; nothing is changed."""
    first = typed("db", "migrate", "--dry-run", "--json")

    assert "0001_first.sql" in first.data["steps"]
    assert 0 == typed("init").code
    assert [] == typed("db", "migrate", "--dry-run", "--json").data["steps"]


async def value(database: str, statement: str) -> asyncpg.Record | None:
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetchrow(statement)
    finally:
        await connection.close()


def test_a_database_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers, `keyfob init` says so in one line, without the password."""
    monkeypatch.setenv("KEYFOB_STORE_URL", "postgresql://keyfob:hush@127.0.0.1:1/keyfob")

    refused = typed("init")

    assert (1, 1) == (refused.code, len(refused.err.splitlines()))
    assert "hush" not in refused.err
