"""A database that is damaged, or not there: what is said, and how a backup gets into its place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home


@pytest.mark.parametrize("kept", [b"", b"hello" * 1000, 5_000, 200_000])
def test_a_damaged_database_is_moved_away_and_restored(home: Home, kept: bytes | int) -> None:
    """Doctor and restore say to move it; then the backup is put in its place."""
    home.make("ci")
    assert 0 == typed("db", "backup", "copy").code
    database = home.folder / "keyfob.db"
    database.write_bytes(kept if isinstance(kept, bytes) else database.read_bytes()[:kept])

    found, refused = typed("doctor"), typed("db", "restore", "copy", "--yes")
    advice = f"move {database}, its -wal and its -shm elsewhere"
    assert (3, True) == (found.code, advice in found.out), found.out
    assert not refused.code or advice in refused.err  # an empty one is no loss
    for file in home.folder.glob("keyfob.db*"):
        file.rename(home.folder / f"damaged-{file.name}")

    assert 0 == typed("db", "restore", "copy", "--yes").code
    assert {"admin", "ci"} == {key["name"] for key in typed("keys", "list", "--json").data["keys"]}


def test_a_backup_that_nobody_may_write_is_restored(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup lies on a medium for reading, or belongs to somebody else: nothing is opened there for writing."""
    assert 0 == typed("db", "backup", "copy").code
    opened: list[str] = []

    def connect(name: str, **options: Any) -> sqlite3.Connection:
        opened.append(name)
        connection: sqlite3.Connection = really(name, **options)
        return connection

    really = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", connect)
    assert 0 == typed("db", "restore", "copy", "--yes").code

    assert ["file:copy?mode=ro&immutable=1"] == [name for name in opened if name.startswith("file:copy?")]


def test_what_is_lost_of_a_database_keeps_no_backup_out(home: Home) -> None:
    """Where what a restore leaves as it is cannot be read, the backup takes its place all the same."""
    assert 0 == typed("db", "backup", "copy").code
    with closing(sqlite3.connect(home.folder / "keyfob.db")) as connection:
        connection.execute("DROP TABLE quota_use")

    assert 0 == typed("db", "restore", "copy", "--yes").code
    assert 0 == typed("doctor").code


def test_a_folder_in_the_place_of_the_keyring(home: Home) -> None:
    """Container runtimes make one where the file is missing, and its mode is not what is wrong."""
    keyring = home.folder / "keyfob.keyring"
    keyring.unlink()
    keyring.mkdir()

    said = typed("doctor")

    assert (3, True, False) == (said.code, f"{keyring} is a folder" in said.out, "chmod" in said.out)


def test_a_file_of_another_program_is_named(home: Home) -> None:
    """Not the copy of it that was looked at."""
    with closing(sqlite3.connect(home.folder / "other.db")) as connection:
        connection.execute("CREATE TABLE meta (revision)")
        connection.execute("INSERT INTO meta VALUES (1)")
        connection.commit()

    said = typed("db", "restore", "other.db", "--yes")

    assert (1, "keyfob: other.db holds tables of another program") == (said.code, said.err.partition(";")[0])


def test_a_database_that_another_program_holds_is_found(home: Home) -> None:
    """Reading goes on then, but nothing can be revoked; doctor says so, and changes nothing itself."""
    before = typed("db", "status", "--json").data
    with closing(sqlite3.connect(home.folder / "keyfob.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        held = typed("doctor")

    assert (3, True) == (held.code, "nothing can be changed now, not even revoked" in held.out), held.out
    assert 0 == typed("doctor").code
    assert before == typed("db", "status", "--json").data
