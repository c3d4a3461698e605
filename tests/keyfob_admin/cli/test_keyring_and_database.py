from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from keyfob.keyring.file import load_keyring
from keyfob.store.sqlite.migrations import SCHEMA
from keyfob_admin.cli.keyring import NO_ADMIN
from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

READ = ("--permission", "items:read")


def states() -> dict[str, tuple[str, str]]:
    return {row["char"]: (row["state"], row["in_file"]) for row in typed("keyring", "show", "--json").data["entries"]}


def works(secret: str) -> bool:
    return 0 == typed("keys", "check", "-", stdin=secret).code


def test_kf_08_the_keyring_turns(home: Home) -> None:
    """A new entry is added, issues once it is activated, and the old one's keys work until it is retired."""
    _, old = home.make("old", *READ)
    assert 0 == typed("keyring", "add").code
    assert {"a": ("active", "yes"), "b": ("not activated", "yes")} == states()
    assert "a" == home.make("between", *READ)[1][-21]
    assert 0 == typed("keyring", "activate").code
    _, new = home.make("new", *READ)

    assert "b" == new[-21]
    assert (True, True) == (works(old), works(new))
    assert 0 == typed("keyring", "retire", "a").code
    assert (False, True) == (works(old), works(new))
    assert {"a": ("retired", "yes"), "b": ("active", "yes")} == states()
    assert 0 == typed("audit", "verify").code


def test_retiring_tells_when_no_admin_key_is_left(home: Home) -> None:
    """Whose admin key carried the entry is told so by `retire`, and by the doctor until it is fixed."""
    typed("keyring", "add")
    typed("keyring", "activate")
    assert 0 == typed("doctor").code

    retired = typed("keyring", "retire", "a")

    assert (0, False) == (retired.code, works(home.admin_key))
    assert "keyfob keys create admin --type admin --permission '*'" in retired.err
    assert "none that can do everything is left" in typed("doctor").out
    home.make("admin", "--type", "admin", "--permission", "*")
    assert 0 == typed("doctor").code
    assert "No admin key" not in typed("keyring", "retire", "a").err


def test_every_step_of_the_keyring_can_be_read_by_a_program(home: Home) -> None:
    """With --json the entry is printed as `keyring show` would, alone, and nothing is said."""
    steps = [
        (["add"], "b", "not activated"),
        (["activate"], "b", "active"),
        (["lost", "a", "--yes"], "a", "lost"),
        (["retire", "a"], "a", "retired"),
    ]
    for arguments, char, state in steps:
        done = typed("keyring", *arguments, "--json")
        assert (0, []) == (done.code, [line for line in done.err.splitlines() if line != NO_ADMIN])
        assert done.data in typed("keyring", "show", "--json").data["entries"]
        assert (char, state) == (done.data["char"], done.data["state"])


def test_se_08_a_new_entry_keeps_the_file_private(home: Home) -> None:
    """The keyring file is 0600 after an entry was added, and holds the old entries unchanged."""
    path = home.folder / "keyfob.keyring"
    before = load_keyring(path)
    typed("keyring", "add")

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert before.entries["a"] == load_keyring(path).entries["a"]


def test_the_keyring_shows_no_key(home: Home) -> None:
    """Characters, fingerprints and states are shown, the server's keys never."""
    shown = typed("keyring", "show").out + typed("keyring", "show", "--json").out

    assert load_keyring(home.folder / "keyfob.keyring").entries["a"].fingerprint in shown
    assert load_keyring(home.folder / "keyfob.keyring").entries["a"].key.hex() not in shown


def test_a_keyring_lost_for_good_is_replaced(home: Home) -> None:
    """When every copy is gone a new file is begun, and keys of the lost entry pass by their hash."""
    _, old = home.make("old", *READ)
    (home.folder / "keyfob.keyring").unlink()

    assert 1 == typed("keys", "list").code
    assert 1 == typed("keyring", "add").code
    assert 1 == typed("keyring", "activate").code
    assert 0 == typed("keyring", "add", "--new-file").code
    assert 0 == typed("keyring", "activate").code
    assert 2 == typed("keyring", "lost", "a").code
    assert 0 == typed("keyring", "lost", "a", "--yes").code
    assert {"a": ("lost", "no"), "b": ("active", "yes")} == states()
    assert works(old)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["retire", "a"], 5),
        (["lost", "a", "--yes"], 5),
        (["retire", "z"], 4),
        (["lost", "z", "--yes"], 4),
        (["activate", "z"], 4),
        (["activate", "long"], 4),
        (["retire", ""], 4),
    ],
)
def test_what_the_keyring_refuses(home: Home, arguments: list[str], code: int) -> None:
    """The last active entry stays, and an entry that is not there is not found; each is one line."""
    refused = typed("keyring", *arguments)

    assert (code, "", 1) == (refused.code, refused.out, len(refused.err.splitlines()))


def test_a_retired_entry_does_not_come_back(home: Home) -> None:
    """What was retired is not activated again."""
    typed("keyring", "add")
    typed("keyring", "activate")
    typed("keyring", "retire", "a")

    assert 5 == typed("keyring", "activate", "a").code


def test_a_keyring_in_the_environment_is_used_but_not_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """KEYFOB_KEYRING_DATA stands in for the file; adding to it is refused with the way to do it."""
    monkeypatch.setenv("KEYFOB_KEYRING_DATA", (home.folder / "keyfob.keyring").read_text())
    (home.folder / "keyfob.keyring").unlink()

    assert 0 == typed("keys", "list").code
    refused = typed("keyring", "add")
    assert 1 == refused.code
    assert "KEYFOB_KEYRING" in refused.err


def test_ff_41_a_backup_is_made_before_the_migration(home: Home) -> None:
    """A newer program copies a database that it cannot serve yet, so that nobody has to migrate without a copy."""
    with closing(sqlite3.connect(home.folder / "keyfob.db")) as connection, connection:
        connection.execute("DELETE FROM migrations")
    assert 0 != typed("keys", "list").code

    assert 0 == typed("db", "backup", "copy.db").code

    with closing(sqlite3.connect(home.folder / "copy.db")) as connection:
        assert [(0,)] == connection.execute("SELECT count(*) FROM migrations").fetchall()


def test_a_backup_of_nothing_is_refused(home: Home) -> None:
    """Where there is no database no empty copy is made."""
    (home.folder / "keyfob.db").unlink()

    said = typed("db", "backup", "copy.db")

    assert (True, "there is no" in said.err) == (said.code != 0, True)
    assert not (home.folder / "copy.db").exists()


def test_a_backup_is_private_and_never_written_over(home: Home) -> None:
    """A backup has mode 0600, holds what was there, and a second one to the same file is a conflict."""
    assert 0 == typed("db", "backup", "copy.db").code
    copy = home.folder / "copy.db"
    before = copy.read_bytes()

    assert 0o600 == stat.S_IMODE(copy.stat().st_mode)
    assert 5 == typed("db", "backup", "copy.db").code
    assert before == copy.read_bytes()


def test_sf_17_a_restore_brings_back_what_was(home: Home) -> None:
    """After a yes the backup's keys are what there is, the log says so, and all is whole."""
    key_id, secret = home.make("kept", *READ)
    typed("db", "backup", "copy.db")
    typed("keys", "disable", key_id)
    _, later = home.make("later", *READ)

    assert 2 == typed("db", "restore", "copy.db").code
    assert not works(secret)
    assert 0 == typed("db", "restore", "copy.db", "--yes").code
    assert (True, False) == (works(secret), works(later))
    assert "db.restored" == typed("audit", "tail", "-n", "1", "--json").data["events"][0]["action"]
    assert 0 == typed("db", "verify").code


def test_copies_can_be_made_by_a_program(home: Home) -> None:
    """With --json migrate, backup and restore print one object and say nothing."""
    for arguments, told in (
        (["migrate"], {"url": f"sqlite:///{home.folder}/keyfob.db"}),
        (["backup", "copy.db"], {"file": "copy.db"}),
        (["restore", "copy.db", "--yes"], {"file": "copy.db"}),
    ):
        done = typed("db", *arguments, "--json")
        assert (0, "", told) == (done.code, done.err, done.data)


def test_a_database_that_is_gone_is_restored(home: Home) -> None:
    """With a backup and the keyring an installation comes back, though the database file is lost."""
    _, secret = home.make("kept", *READ)
    typed("db", "backup", "copy.db")
    for path in home.folder.glob("keyfob.db*"):
        path.unlink()

    assert 1 == typed("keys", "list").code
    assert 0 == typed("db", "restore", "copy.db", "--yes").code
    assert works(secret)


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000])
def test_what_is_no_backup_changes_nothing(home: Home, content: bytes | None) -> None:
    """A file that is missing, empty or something else is refused in one line, and the keys stay."""
    _, secret = home.make("kept", *READ)
    if content is not None:
        (home.folder / "copy.db").write_bytes(content)
    refused = typed("db", "restore", "copy.db", "--yes")

    assert (1, 1) == (refused.code, len(refused.err.splitlines()))
    assert works(secret)


def test_status_counts(home: Home) -> None:
    """The schema and how much there is are told, for people and for programs."""
    home.make("ci", *READ)
    told = typed("db", "status", "--json").data

    assert (SCHEMA, "wal", 1, 2) == (told["schema"], told["journal_mode"], told["teams"], told["keys"])
    assert "wal" in typed("db", "status").out


def test_migrate_can_be_run_again(home: Home) -> None:
    """Migrating what has the present schema changes nothing."""
    _, secret = home.make("ci", *READ)

    assert 0 == typed("db", "migrate").code
    assert works(secret)


def test_a_damaged_database_fails_the_check(home: Home) -> None:
    """Rows that refer to nothing are found and named."""
    home.make("ci", *READ)
    database = sqlite3.connect(home.folder / "keyfob.db")
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("UPDATE key_secrets SET key_id = 'gone' WHERE key_id = (SELECT max(key_id) FROM key_secrets)")
    database.commit()
    database.close()
    verified = typed("db", "verify", "--json")

    assert (3, False) == (verified.code, verified.data["ok"])


def test_a_newer_database_is_one_line(home: Home) -> None:
    """A database that a newer Keyfob has migrated is refused by every command, with how to fix it."""
    database = sqlite3.connect(home.folder / "keyfob.db")
    database.execute("UPDATE meta SET min_reader = 99")
    database.commit()
    database.close()
    for arguments in (["keys", "list"], ["db", "status"], ["serve"], ["keyring", "show"], ["init"]):
        refused = typed(*arguments)
        assert (1, "", 1) == (refused.code, refused.out, len(refused.err.splitlines())), refused
        assert "newer Keyfob" in refused.err
    assert 3 == typed("doctor").code
