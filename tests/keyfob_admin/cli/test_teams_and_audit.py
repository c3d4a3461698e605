from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import PROGRAM, run, typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

SECRET = re.compile(r"kf_[a-z]+_[0-9A-Za-z]{16}_[0-9A-Za-z]+")


BARE: dict[str, object] = {"metadata": {}, "external_id": None}  # of a team that another system knows nothing of


def test_teams_are_made_and_listed(home: Home) -> None:
    """A team is made with a name and a plan, or with its id and the plan enterprise."""
    assert "plain" == typed("teams", "create", "plain", "--json").data["name"]
    assert 0 == typed("teams", "create", "acme", "--name", "Acme Ltd", "--plan", "teams").code
    listed = {team["id"]: team for team in typed("teams", "list", "--json").data["teams"]}

    assert {"id": "acme", "name": "Acme Ltd", "plan": "teams", **BARE} == listed["acme"]
    assert "enterprise" == listed["plain"]["plan"]
    assert "Acme Ltd" in typed("teams", "list").out


@pytest.mark.both_engines
def test_teams_are_renamed(home: Home) -> None:
    """A team gets another name and keeps its id and plan."""
    renamed = typed("teams", "rename", "default", "Acme Inc", "--json").data

    assert {"id": "default", "name": "Acme Inc", "plan": "enterprise", **BARE} == renamed
    assert "is called Acme Ltd now" in typed("teams", "rename", "default", "Acme Ltd").err


@pytest.mark.both_engines
def test_teams_are_deleted(home: Home) -> None:
    """A team without keys and people goes, and the log still adds up."""
    typed("teams", "create", "trial")

    assert "The team trial is deleted." in typed("teams", "delete", "trial").err
    assert ["default"] == [team["id"] for team in typed("teams", "list", "--json").data["teams"]]
    assert 0 == typed("audit", "verify").code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["rename", "nobody", "Somebody"], 4),
        (["rename", "default", ""], 2),
        (["create", "default"], 5),
        (["create", "No Slug"], 2),
        (["create", "a/b"], 2),
        (["create", "acme", "--plan", "gold"], 2),
        (["create", "acme", "--name", ""], 2),
        (["set-plan", "default", "gold"], 2),
        (["set-plan", "nobody", "teams"], 4),
        (["delete", "nobody"], 4),
        (["delete", "default"], 5),  # it has keys
    ],
)
def test_teams_that_cannot_be(home: Home, arguments: list[str], code: int) -> None:
    """A taken id is a conflict, a wrong value a usage error, an unknown team not found; each is one line."""
    refused = typed("teams", *arguments)

    assert (code, "", 1) == (refused.code, refused.out, len(refused.err.splitlines()))


def test_the_catalogue_is_listed_with_labels(home: Home) -> None:
    """Permissions are listed from the configuration, as people read them; this needs no database."""
    for path in home.folder.glob("keyfob.db*"):
        path.unlink()

    assert {"name": "items:read", "label": "Read items"} in typed("permissions", "list", "--json").data["permissions"]
    assert "Read items" in typed("permissions", "list").out


def test_the_tail_shows_the_newest_last(home: Home) -> None:
    """Who did what is shown in the order in which it happened, narrowed by key, team, actor and action."""
    key_id, _ = home.make("ci", "--permission", "items:read")
    typed("keys", "disable", key_id)
    last = typed("audit", "tail", "-n", "2", "--json").data["events"]

    assert ["key.created", "key.disabled"] == [event["action"] for event in last]
    assert "cli" == last[0]["actor"]["kind"]
    for narrowed in (["--key", key_id], ["--actor", last[0]["actor"]["name"]], ["--team", "default", "--key", key_id]):
        assert last == typed("audit", "tail", *narrowed, "--json").data["events"]
    only = typed("audit", "tail", "--action", "key.disabled", "--json").data["events"]
    assert [last[1]] == only
    assert "key.disabled" in typed("audit", "tail").out


def test_se_11_the_audit_export_holds_no_secret(home: Home) -> None:
    """Whatever was done to keys, the exported log names them by id alone; neither key nor hash is in it."""
    key_id, secret = home.make("ci", "--permission", "items:read")
    typed("keys", "duplicate", key_id)
    typed("keys", "disable", key_id)
    typed("keys", "delete", key_id, "--yes")
    typed("keyring", "add")
    exported = run("audit", "export")
    keyring = (home.folder / "keyfob.keyring").read_text()

    assert 0 == exported.code
    assert key_id in exported.out
    assert None is SECRET.search(exported.out)
    assert "argon2" not in exported.out
    assert not any(key in exported.out for key in re.findall(r"[0-9a-f]{64}(?=\"\n)", keyring))
    assert secret[-43:] not in exported.out


def test_se_11_no_listing_holds_a_secret(home: Home) -> None:
    """Lists, pages of one key and the tail show keys by their displayed form alone."""
    key_id, _ = home.make("ci", "--permission", "items:read")
    for arguments in (["keys", "list"], ["keys", "show", key_id], ["audit", "tail"], ["doctor"], ["db", "status"]):
        for form in ([], ["--json"]):
            said = typed(*arguments, *form)
            assert None is SECRET.search(said.out + said.err)
            assert "argon2" not in said.out


def test_the_export_is_the_whole_log_in_lines(home: Home) -> None:
    """Each line is one event, oldest first, with the MAC that proves its place."""
    typed("teams", "create", "acme")
    events = [json.loads(line) for line in run("audit", "export").out.splitlines()]

    assert list(range(1, len(events) + 1)) == [event["seq"] for event in events]
    assert "installation.created" == events[0]["action"]
    assert all(re.fullmatch("[0-9a-f]{64}", event["MAC"]) for event in events)


def test_a_reader_that_leaves_is_no_error_to_show(home: Home) -> None:
    """Who pipes into `head` sees no traceback."""
    for n in range(3):
        typed("teams", "create", f"team-{n}", "--name", "x" * 100)
    piped = " ".join(PROGRAM) + " audit export | true"
    done = subprocess.run(
        ["bash", "-c", piped], cwd=home.folder, capture_output=True, text=True, check=False, timeout=60
    )

    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE audit_events SET actor_name = 'somebody else' WHERE seq = 2",
        "DELETE FROM audit_events WHERE seq = 2",
        "DELETE FROM audit_events WHERE seq = (SELECT max(seq) FROM audit_events)",
        "UPDATE audit_events SET at = at + 1 WHERE seq = 3",
    ],
)
def test_a_changed_log_is_found(home: Home, harm: str) -> None:
    """An event that was changed or removed in the database fails the check, by both of its roads."""
    assert (0, True) == (typed("audit", "verify").code, typed("audit", "verify", "--json").data["ok"])
    with sqlite3.connect(home.folder / "keyfob.db") as database:
        database.execute(harm)
    database.close()

    assert 3 == typed("audit", "verify").code
    assert typed("audit", "verify", "--json").data["faults"]
    assert 3 == typed("db", "verify").code
