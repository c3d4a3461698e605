"""Whatever a person does wrong ends with an exit code and a sentence, never with a traceback."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import run, typed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.keyfob_admin.cli.conftest import Home

WITHOUT_CONFIG = [
    ["keys", "list"],
    ["keys", "create", "x"],
    ["teams", "list"],
    ["permissions", "list"],
    ["audit", "tail"],
    ["keyring", "show"],
    ["db", "status"],
    ["db", "migrate"],
    ["serve"],
]
USAGE = [
    ["nothing"],
    ["keys", "nothing"],
    ["keys", "create"],
    ["keys", "list", "--state", "sleepy"],
    ["keys", "list", "--nothing"],
    ["keys", "list", "extra"],
    ["audit", "tail", "-n", "0"],
    ["audit", "tail", "-n", "x"],
    ["serve", "--port", "99999"],
    ["serve", "--port", "http"],
    ["serve", "--workers", "0"],
    ["demo", "--port", "-1"],
    ["db", "backup"],
    ["keys", "check"],
]


@pytest.mark.parametrize("arguments", WITHOUT_CONFIG)
def test_without_a_configuration_init_is_named(folder: Path, arguments: list[str]) -> None:
    """Where there is no installation, the way to one is said, and nothing is made."""
    failed = typed(*arguments)

    assert (1, "", 1) == (failed.code, failed.out, len(failed.err.splitlines()))
    assert failed.err.startswith("keyfob: ")
    assert "keyfob init" in failed.err
    assert [] == list(folder.iterdir())


@pytest.mark.parametrize("arguments", USAGE)
def test_wrong_usage_is_2_and_one_line(home: Home, arguments: list[str]) -> None:
    """An unknown command, option or value points to the help."""
    failed = typed(*arguments)

    assert (2, "", 1) == (failed.code, failed.out, len(failed.err.splitlines()))
    assert "--help" in failed.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["kyes", "list"], 2, "Did you mean 'keys'? Try `keyfob --help`."),
        (["keys", "create", "x", "--permission", "items:raed"], 2, "keys of type api; did you mean items:read?"),
        (["keys", "create", "x", "--permission", "items:read,items:write"], 2, "name each one by itself"),
        (["keys", "create", "x", "--permission", "Items:Read"], 2, "did you mean items:read?"),
        (["keys", "create", "x", "--ip", "10.0.0.1/8"], 2, "keyfob: ip_allow: 10.0.0.1/8 has host bits"),
        (["keys", "list", "--team", "acmee"], 4, "`keyfob teams list` shows"),
        (["teams", "set-plan", "acmee", "teams"], 4, "`keyfob teams list` shows"),
        (["audit", "tail", "--team", "acmee"], 4, "`keyfob teams list` shows"),
        (["audit", "tail", "--action", "key.disable"], 2, "did you mean key.disabled?"),
    ],
)
def test_a_slip_of_the_fingers_is_told_what_was_meant(home: Home, arguments: list[str], code: int, words: str) -> None:
    """Whatever is nearly right is answered with what would be right, and never with an empty list."""
    failed = typed(*arguments)

    assert (code, "", 1) == (failed.code, failed.out, len(failed.err.splitlines()))
    assert words in failed.err


@pytest.mark.parametrize("arguments", [[], ["keys"], ["keyring"]])
def test_nothing_to_do_shows_the_help(arguments: list[str]) -> None:
    """A group without a command is a usage error that lists the commands."""
    shown = typed(*arguments)

    assert 2 == shown.code
    assert "Commands:" in shown.out + shown.err


@pytest.mark.parametrize(
    "text",
    [
        "[store",
        "\x00",
        '[stroe]\nurl = "sqlite:///x.db"',
        "store = 1",
        '[store]\nurl = "mysql://x"',
        '[store]\nurl = "sqlite:///:memory:"\nkeyring = "keyfob.keyring"',
        '[store]\nkeyring = "keyfob.keyring"',
        '[store]\nurl = "sqlite:///keyfob.db"',
        '[store]\nurl = "sqlite:///keyfob.db"\nkeyring = "nowhere/keyfob.keyring"',
        '[store]\nurl = "sqlite:///nowhere/keyfob.db"\nkeyring = "keyfob.keyring"',
        '[store]\nurl = "sqlite:///keyfob.db"\nkeyring = "keyfob.keyring"\n[rules]\n"GET items" = "items:read"',
        '[store]\nurl = "sqlite:///keyfob.db"\nkeyring = "keyfob.keyring"\n[permissions]\n"keys:read" = "x"',
        '[store]\nurl = "sqlite:///keyfob.db"\nkeyring = "keyfob.keyring"\n[plans.gold]\nkey_types = ["robot"]',
    ],
)
def test_a_bad_configuration_is_one_line(home: Home, text: str) -> None:
    """Whatever is wrong with the file, doctor fails with it and commands say it in one line."""
    (home.folder / "keyfob.toml").write_text(text)
    said = typed("doctor")

    assert (3, True) == (said.code, "fail" in said.out)
    failed = typed("keys", "list")
    assert failed.code in {0, 1}  # rules are the application's: listing keys does not need them
    assert len(failed.err.splitlines()) <= 1


def test_an_unknown_config_is_named(folder: Path) -> None:
    """A configuration that is named but not there is an error, not a reason to take another."""
    failed = typed("keys", "list", "--config", str(folder / "no.toml"))

    assert 1 == failed.code
    assert "no.toml" in failed.err


def test_config_is_taken_in_every_place(
    home: Home, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--config stands before the group, before the command or after it; the innermost wins."""
    config = str(home.folder / "keyfob.toml")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    for arguments in (
        ["--config", config, "keys", "list"],
        ["keys", "--config", config, "list"],
        ["keys", "list", "--config", config],
        ["--config", "/nowhere.toml", "keys", "list", "--config", config],
    ):
        assert 0 == typed(*arguments).code


@pytest.mark.parametrize("arguments", [["keys", "list"], ["init"], ["doctor"]])
def test_a_real_program_shows_no_traceback(folder: Path, arguments: list[str]) -> None:
    """As a program of its own the command line ends as it does in the other tests."""
    (folder / "keyfob.toml").write_text("[store")
    failed = run(*arguments)

    assert failed.code in {1, 3}
    assert "Traceback" not in failed.out + failed.err


def test_a_port_in_use_is_one_line(home: Home) -> None:
    """The address that cannot be had is named, and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for workers in ("1", "2"):
            failed = run("serve", "--port", port, "--workers", workers)
            assert (1, "", 1) == (failed.code, failed.out, len(failed.err.splitlines()))
            assert f"port {port}" in failed.err


@pytest.mark.parametrize("host", ["203.0.113.1", "nowhere.invalid", "a" * 300, "::zz"])
def test_an_address_that_is_not_ours_is_one_line(home: Home, host: str) -> None:
    """A host that cannot be listened on is said so."""
    failed = run("serve", "--host", host, "--port", "0")

    assert (1, 1) == (failed.code, len(failed.err.splitlines()))


def test_observe_mode_and_the_admin_api_do_not_go_together(home: Home) -> None:
    """Where requests are only observed the admin API would let everybody in, so it does not start."""
    home.configure(lambda text: text.replace("[middleware]", '[middleware]\nmode = "observe"'))
    failed = run("serve", "--port", "0")

    assert 1 == failed.code
    assert "observe" in failed.err


def test_the_version_is_told() -> None:
    """--version names program and version."""
    assert typed("--version").out.startswith("keyfob, version ")


NO_TEXT = [
    ["keys", "create", "\udcff"],
    ["keys", "create", "x", "--team", "\udcff"],
    ["keys", "create", "x", "--permission", "\udcff"],
    ["keys", "show", "\udcff"],
    ["keys", "list", "--team", "\udcff"],
    ["keys", "list", "--type", "\udcff"],
    ["teams", "create", "\udcff"],
    ["teams", "set-plan", "\udcff", "teams"],
    ["audit", "tail", "--actor", "\udcff"],
    ["audit", "tail", "--action", "\udcff"],
    ["db", "backup", "\udcff/x"],
    ["keyring", "retire", "\udcff"],
]


@pytest.mark.parametrize("arguments", NO_TEXT)
def test_arguments_that_are_no_text_are_one_line(home: Home, arguments: list[str]) -> None:
    """What Python makes of arguments that are not UTF-8 is refused like any wrong value."""
    failed = typed(*arguments)

    assert failed.code in {1, 2, 4}
    assert ("", 1) == (failed.out, len(failed.err.splitlines()))


@pytest.mark.parametrize("arguments", [NO_TEXT[0], NO_TEXT[4], NO_TEXT[10]])
def test_bytes_that_are_no_text_reach_a_program_so(home: Home, arguments: list[str]) -> None:
    """A program of its own is given such bytes, repeats them if it does, and ends as in the other tests."""
    failed, in_process = run(*arguments), typed(*arguments)

    assert in_process == failed


def test_a_terminal_without_unicode_shows_what_it_can(home: Home) -> None:
    """Names that the terminal's encoding lacks are escaped, not a crash."""
    home.make("Zoë")
    listed = run("keys", "list", PYTHONIOENCODING="koi8-r", PYTHONUTF8="0")

    assert 0 == listed.code
    assert "Zo\\xeb" in listed.out


def test_what_looks_like_a_secret_is_never_repeated(home: Home) -> None:
    """Wherever a key is typed by mistake, no message shows it again."""
    _, secret = home.make("ci")
    for arguments in (["keys", secret], ["teams", "create", secret], ["keys", "list", "--team", secret],
                      ["audit", "tail", "--key", secret], ["audit", "tail", "--actor", secret], [secret],
                      ["keys", "create", "x", "--type", secret], ["keys", "create", "x", "--permission", secret],
                      ["keys", "create", "x", "--expires", secret], ["--config", secret, "keys", "list"],
                      ["keys", "list", secret], ["keyring", "retire", secret], ["db", "restore", secret]):  # fmt: skip
        failed = typed(*arguments)
        assert secret[-30:] not in failed.out + failed.err, arguments


def test_a_mistake_of_ours_is_not_dressed_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no user can cause keeps its traceback, so that it can be reported."""
    monkeypatch.setattr("keyfob_admin.cli.context.login_name", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        typed("keys", "list")
