from __future__ import annotations

import os
import stat
import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob import parse_key
from keyfob.keyring.keyring import Keyring
from tests.keyfob_admin.cli.conftest import CHEAP, run, typed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.keyfob_admin.cli.conftest import Home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}


def test_the_first_admin_key_stands_alone_on_stdout(folder: Path) -> None:
    """A script can take the key from stdout; all words go to stderr, and the key is nowhere in them."""
    done = run("init", "--admin", "root")
    key = parse_key(done.out.strip())

    assert (0, 1) == (done.code, len(done.out.splitlines()))
    assert key is not None
    assert "admin" == key.key_type
    assert done.out.strip() not in done.err
    assert not any(key.secret.encode() in content for content in contents(folder).values())


def test_se_08_files_are_private_under_a_common_umask(folder: Path) -> None:
    """With umask 022 the keyring and the database are readable by their owner alone, and so are SQLite's side files."""
    before = os.umask(0o022)
    try:
        assert 0 == run("init").code
        assert 0 == run("keys", "create", "ci", "--permission", "items:read").code
    finally:
        os.umask(before)
    private = [path.name for path in folder.iterdir() if path.name != "keyfob.toml"]

    assert {"keyfob.keyring", "keyfob.db", "keyfob.db-signal"} <= set(private)
    assert {0o600} == {mode(folder / name) for name in private}


def test_se_08_a_keyring_open_to_others_is_refused(home: Home) -> None:
    """A keyring that others can read is not used, and the sentence says how to fix it."""
    (home.folder / "keyfob.keyring").chmod(0o644)
    refused = typed("keys", "list")

    assert 1 == refused.code
    assert "chmod 600" in refused.err


def test_aa_15_the_second_init_changes_nothing(home: Home) -> None:
    """There is one first key: a second init is a conflict, prints no key and leaves every file as it was."""
    before = contents(home.folder)
    second = run("init", "--team", "other")

    assert (5, "") == (second.code, second.out)
    assert "keys create" in second.err
    assert before == contents(home.folder)


def test_aa_15_without_init_there_is_no_key(folder: Path) -> None:
    """A database that was only migrated holds no team and no key by default."""
    (folder / "keyfob.toml").write_text('[store]\nurl = "sqlite:///keyfob.db"\nkeyring = "keyfob.keyring"\n')

    assert 0 == typed("db", "migrate").code
    assert 1 == typed("keys", "list").code
    assert 0 == typed("init").code
    assert 1 == len(typed("keys", "list", "--json").data["keys"])


def test_the_starting_file_works_and_explains_itself(folder: Path) -> None:
    """What init writes can be used at once: its catalogue is granted, its rules are understood, its comments parse."""
    assert 0 == typed("init").code
    text = (folder / "keyfob.toml").read_text()

    assert {"store", "permissions", "rules", "middleware", "admin"} == set(tomllib.loads(text))
    assert 0 == typed("doctor").code
    assert 0 == typed("keys", "create", "ci", "--permission", "items:read").code
    uncommented = (
        text.replace("# trusted_proxies", "trusted_proxies").replace("# url", "url").replace("# max_st", "max_st")
    )
    (folder / "keyfob.toml").write_text(uncommented)
    assert 0 == typed("doctor").code


def test_team_and_admin_are_named(folder: Path) -> None:
    """The first team and the first key are called what one says, and the key holds everything."""
    done = typed("init", "--team", "acme", "--admin", "Ada", "--json").data

    assert ("acme", "Ada", ["*"]) == (done["team"], done["key"]["name"], done["key"]["permissions"])
    assert ["acme", "acme", "enterprise"] == [
        typed("teams", "list", "--json").data["teams"][0][name] for name in ("id", "name", "plan")
    ]


@pytest.mark.parametrize("arguments", [["--team", "No Slug"], ["--team", ""], ["--admin", ""], ["--admin", "a\x1bb"]])
def test_a_bad_name_is_known_before_anything_is_written(folder: Path, arguments: list[str]) -> None:
    """A name that cannot be is a usage error and leaves the folder empty."""
    assert 2 == typed("init", *arguments).code
    assert [] == list(folder.iterdir())


def test_an_init_that_was_cut_short_is_run_again(folder: Path) -> None:
    """A configuration, a keyring and an empty database that are there already are used as they are."""
    done = typed("init", "--json").data
    keyring = (folder / "keyfob.keyring").read_text()
    config = (folder / "keyfob.toml").read_text().replace("\n[middleware]\n", CHEAP)
    (folder / "keyfob.toml").write_text(config)
    for path in folder.glob("keyfob.db*"):
        path.unlink()
    (folder / "keyfob.db").touch()
    again = typed("init", "--json").data

    assert done["secret"] != again["secret"]
    assert (keyring, config) == ((folder / "keyfob.keyring").read_text(), (folder / "keyfob.toml").read_text())
    assert 0o600 == mode(folder / "keyfob.db")
    assert 0 == typed("keys", "check", "-", stdin=again["secret"]).code


def test_what_is_half_done_is_explained(folder: Path) -> None:
    """Where the database cannot be made, the sentence says why and that init goes on afterwards."""
    (folder / "keyfob.db").write_bytes(b"not a database, but somebody's file" * 100)
    failed = typed("init")

    assert (1, "", 1) == (failed.code, failed.out, len(failed.err.splitlines()))
    assert "keyfob init" in failed.err
    (folder / "keyfob.db").unlink()
    assert 0 == typed("init").code


@pytest.mark.parametrize("place", ["missing/keyfob.toml", "file/keyfob.toml", "."])
def test_a_place_that_cannot_be_written_is_one_line(folder: Path, place: str) -> None:
    """A folder that is not there, or is a file, is named with the reason."""
    (folder / "file").touch()
    failed = typed("init", "--config", str(folder / place))

    assert (1, "", 1) == (failed.code, failed.out, len(failed.err.splitlines()))
    assert failed.err.startswith("keyfob: ")
    assert str(folder) in failed.err


def test_the_environment_says_where(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KEYFOB_CONFIG names the file for every command, init among them; a path in it is relative to it."""
    (folder / "etc").mkdir()
    monkeypatch.setenv("KEYFOB_CONFIG", str(folder / "etc" / "my.toml"))

    assert 0 == typed("init").code
    assert {"my.toml", "keyfob.keyring", "keyfob.db"} <= {path.name for path in (folder / "etc").iterdir()}
    assert 0 == typed("keys", "list").code


def test_a_keyring_in_the_environment_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the keyring's contents are in the environment, init writes no keyring file."""
    monkeypatch.setenv("KEYFOB_KEYRING_DATA", Keyring.new(datetime.now(UTC)).dump())
    done = typed("init")

    assert 0 == done.code
    assert not (folder / "keyfob.keyring").exists()
    assert 0 == typed("keys", "check", "-", stdin=done.out).code


@pytest.mark.parametrize("text", ['[store]\nurl = "sqlite:///keyfob.db"\n', '[store]\nkeyring = "keyfob.keyring"\n'])
def test_a_configuration_without_a_place_is_explained(folder: Path, text: str) -> None:
    """A file that names no store or no keyring is used as it is, so what it lacks is said."""
    (folder / "keyfob.toml").write_text(text)
    failed = typed("init")

    assert (1, "", 1) == (failed.code, failed.out, len(failed.err.splitlines()))
    assert "[store]" in failed.err


@pytest.mark.parametrize(
    ("more", "arguments"),
    [
        ('[permissions]\n"keys:read" = "Read keys"\n', []),
        ('[roles.boss]\npermissions = "keys:read"\n', ["--owner", "ana@example.com"]),
    ],
)
def test_a_configuration_that_cannot_work_costs_no_first_key(folder: Path, more: str, arguments: list[str]) -> None:
    """The first key is shown once, so that nothing is made while something could still fail."""
    config = folder / "keyfob.toml"
    store = '[store]\nurl = "sqlite:///keyfob.db"\nkeyring = "keyfob.keyring"\n'
    config.write_text(store + more)
    failed = typed("init", *arguments)
    assert (1, "") == (failed.code, failed.out)

    config.write_text(store)
    assert parse_key(typed("init", *arguments).out.splitlines()[0]) is not None


def test_a_gitignore_that_cannot_be_written_costs_no_first_key(folder: Path) -> None:
    """The key is printed all the same, and the lines that are missing are said."""
    (folder / ".gitignore").mkdir()
    done = typed("init")

    assert 0 == done.code
    assert parse_key(done.out.strip()) is not None
    assert "Keep the keyring and the database out of a repository yourself" in done.err
