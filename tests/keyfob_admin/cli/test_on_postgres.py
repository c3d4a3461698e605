from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from keyfob.store.postgres.migrations import SCHEMA
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


@pytest.mark.parametrize("arguments", [["db", "backup", "copy"], ["db", "restore", "pyproject", "--yes"]])
def test_copies_are_made_by_postgresqls_own_tools(database: str, folder: Path, arguments: list[str]) -> None:
    """Who asks Keyfob for a copy of a PostgreSQL database is told who makes one, and no file is left."""
    typed("init")
    (folder / "pyproject").touch()

    refused = typed(*arguments)

    assert 1 == refused.code
    assert "pg_dump" in refused.err
    assert not (folder / "copy").exists()


def test_a_database_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers, `keyfob init` says so in one line, without the password."""
    monkeypatch.setenv("KEYFOB_STORE_URL", "postgresql://keyfob:hush@127.0.0.1:1/keyfob")

    refused = typed("init")

    assert (1, 1) == (refused.code, len(refused.err.splitlines()))
    assert "hush" not in refused.err
