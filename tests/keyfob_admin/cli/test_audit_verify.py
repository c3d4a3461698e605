"""`keyfob audit verify` and `head`, the keyring's activation and the actor, as they are typed."""

from __future__ import annotations

import asyncio
import os
import pwd
import sqlite3
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.store.contract.workers import NOTHING, Worker
from keyfob.store.opening import open_store
from tests.keyfob_admin.cli.conftest import PROGRAM, typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home


def harm(home: Home, sql: str) -> None:
    with sqlite3.connect(home.folder / "keyfob.db") as database:
        database.execute(sql)
    database.close()


def test_ff_19_verify_names_each_changed_row(home: Home) -> None:
    """A key that was given everything in the database fails the check, by name."""
    key_id, _ = home.make("ci")
    assert 0 == typed("audit", "verify").code
    harm(home, f"UPDATE keys SET permissions = '[\"*\"]' WHERE id = '{key_id}'")  # noqa: S608

    done = typed("audit", "verify")
    assert (3, True) == (done.code, f"key {key_id}: permissions is ['*']" in done.err)
    found = typed("audit", "verify", "--json").data
    assert (False, [f"key {key_id}"]) == (found["ok"], [each["row"] for each in found["differences"]])


def test_ff_19_serve_finds_a_changed_row_by_itself(home: Home) -> None:
    """`keyfob serve` compares rows and log when it starts, logs what differs, and prints the head to keep."""
    key_id, _ = home.make("ci")
    harm(home, f"UPDATE keys SET expires_at = 5 WHERE id = '{key_id}'")  # noqa: S608
    command = [*PROGRAM, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=home.folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines: list[str] = []
            for line in process.stderr or ():
                lines.append(line)
                if "was changed in the database" in line:
                    break
        finally:
            process.terminate()

    assert f"key {key_id} was changed in the database by other means than Keyfob: expires_at is" in lines[-1]
    assert any("the audit log's head is" in line for line in lines)


@pytest.mark.parametrize("sql", ["UPDATE signing_keys SET state = 'lost'", "DELETE FROM signing_keys"])
def test_ff_19_verify_works_where_the_states_were_forged(home: Home, sql: str) -> None:
    """The command that says what was forged is not stopped by the forgery; every other one is."""
    harm(home, sql)

    assert 1 == typed("keys", "list").code
    done = typed("audit", "verify")
    assert (3, True) == (done.code, "signing key a: " in done.err)


def test_ff_51_a_head_that_was_kept_proves_that_nothing_was_cut_off(home: Home) -> None:
    """`audit head` prints COUNT:MAC; `audit verify --head` fails when that event is gone."""
    kept = typed("audit", "head").out.strip()
    typed("teams", "create", "acme")
    assert 0 == typed("audit", "verify", "--head", kept).code

    newest = typed("audit", "head").out.strip()
    count, mac = kept.split(":")
    harm(home, f"DELETE FROM audit_events WHERE seq > {count}")  # noqa: S608
    harm(home, f"UPDATE meta SET audit_count = {count}, audit_head = x'{mac}'")  # noqa: S608
    harm(home, "DELETE FROM teams WHERE id = 'acme'")
    assert 0 == typed("audit", "verify").code
    assert 0 == typed("audit", "verify", "--head", kept).code
    done = typed("audit", "verify", "--head", newest)
    assert (3, True) == (done.code, "gone" in done.err)
    assert newest != typed("audit", "head", "--json").data["head"]


@pytest.mark.parametrize("text", ["", "12", "1:ab", "x:" + "0" * 64])
def test_ff_51_what_is_no_head_is_a_usage_error(home: Home, text: str) -> None:
    """Exit code 2, before anything is read."""
    assert home.folder.exists()
    assert 2 == typed("audit", "verify", "--head", text).code


def test_ff_56_the_environment_names_nobody(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever LOGNAME and its like say, the actor is the account of the process."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "somebody\nelse")
    typed("teams", "create", "acme")
    event = typed("audit", "tail", "-n", "1", "--json").data["events"][0]

    assert (home.team, pwd.getpwuid(os.getuid()).pw_name) == ("default", event["actor"]["name"])


def test_ff_09_a_name_comes_with_what_it_belongs_to(home: Home) -> None:
    """A key that is named like an account cannot pass for it: the table says key or command line, and the id."""
    account = pwd.getpwuid(os.getuid()).pw_name
    key_id, _ = home.make("ci")
    typed("teams", "create", "acme")

    assert f"{account} (cli)" in typed("audit", "tail", "-n", "1").out
    assert f"by {account} (cli)" in typed("keys", "show", key_id).out


def test_activation_names_the_workers_that_lack_the_entry(home: Home) -> None:
    """Where a worker does not know the new entry yet and nobody can answer, nothing is activated without --yes."""
    typed("keyring", "add")

    async def enter() -> None:
        store = open_store(f"sqlite:///{home.folder / 'keyfob.db'}")
        await store.workers.put(Worker("w1", "elsewhere", 2.0, "", NOTHING, datetime.now(UTC), keyring=("0" * 16,)))
        await store.close()

    asyncio.run(enter())
    done = typed("keyring", "activate", "b")
    assert (2, True) == (done.code, "Worker w1 on elsewhere does not know the entry b yet" in done.err)
    assert 0 == typed("keyring", "activate", "b", "--yes").code
