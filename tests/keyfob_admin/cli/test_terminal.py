"""What a person sees who sits at a terminal, and not a script."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from keyfob import parse_key
from keyfob_admin.cli import main
from keyfob_admin.cli.options import confirm
from tests.keyfob_admin.cli.conftest import run, typed
from tests.keyfob_admin.cli.terminals import at_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.keyfob_admin.cli.conftest import Home

READ = ("--permission", "items:read")


def test_delete_asks_first(home: Home) -> None:
    """Whoever says no keeps the key; whoever says yes does not."""
    key_id, _ = home.make("ci")
    typed("keys", "disable", key_id)
    code, shown = at_terminal("keys", "delete", key_id, answer="n")

    assert 1 == code
    assert "Delete" in shown
    assert 0 == typed("keys", "show", key_id).code
    assert 0 == at_terminal("keys", "delete", key_id, answer="y")[0]
    assert 4 == typed("keys", "show", key_id).code


def test_ctrl_c_ends_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, although it is asked in an event loop, which lets whatever waits for an answer go on waiting."""
    answers: list[str] = []

    def ask(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)
        answers.append("waited for")

    async def work() -> None:
        confirm("Delete it for ever?", yes=False)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(click, "confirm", ask)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(work())

    assert [] == answers


def test_check_asks_for_the_key_without_showing_it(home: Home) -> None:
    """A key that is typed or pasted at the question does not appear on the screen."""
    code, shown = at_terminal("keys", "check", "-", answer=home.admin_key)

    assert 0 == code
    assert "admitted" in shown
    assert home.admin_key[-30:] not in shown


@pytest.mark.parametrize("answer", ["n", "y"])
def test_ff_44_a_powerless_key_asks(home: Home, answer: str) -> None:
    """At a terminal a key without permissions is made only after a yes."""
    code, shown = at_terminal("keys", "create", "forgetful", answer=answer)
    names = [key["name"] for key in typed("keys", "list", "--json").data["keys"]]

    assert "--permission" in shown
    assert ((0, True) if answer == "y" else (1, False)) == (code, "forgetful" in names)


@pytest.mark.parametrize("arguments", [["--type", "computer"], READ, ["--yes"]])
def test_ff_44_a_key_that_is_meant_so_does_not_ask(home: Home, arguments: list[str]) -> None:
    """Fixed permissions, a named one or --yes leave nothing to ask."""
    code, shown = at_terminal("keys", "create", "meant", *arguments)

    assert 0 == code
    assert "Create it all the same?" not in shown


def test_ff_44_a_script_is_warned_of_a_powerless_key(home: Home) -> None:
    """Where nobody can be asked the key is made, alone on stdout, and the warning is on stderr."""
    made = typed("keys", "create", "forgetful")

    assert 0 == made.code
    assert parse_key(made.out.strip()) is not None
    assert "--permission P grants one" in made.err


LONG_NAMES = ["x" * 100, "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 100, "e\N{COMBINING ACUTE ACCENT}\N{MICRO SIGN}" * 30]


@pytest.mark.parametrize("columns", [200, 100, 80, 60, 30])
def test_ff_44_tables_fit_the_terminal(home: Home, columns: int) -> None:
    """No line is wider than the terminal, whatever keys are called; what was cut ends in an ellipsis."""
    made = typed("teams", "create", "t" * 40)
    assert 0 == made.code, made.err
    for name in LONG_NAMES:
        home.make(name, *READ, "--team", "default")
    home.make("theirs", *READ, "--team", "t" * 40)
    for arguments in (["keys", "list"], ["teams", "list"], ["audit", "tail"], ["permissions", "list"]):
        code, shown = at_terminal(*arguments, columns=columns)
        lines = [line for line in shown.splitlines() if not line.startswith("This terminal is too narrow")]

        assert 0 == code
        assert [] == [line for line in lines if columns < columns_of(line)]
    listed = at_terminal("keys", "list", columns=columns)[1]
    assert "…" in listed
    assert all(f"kf_api_{key['id']}"[:29] in listed for key in keys_named(LONG_NAMES))


def columns_of(line: str) -> int:
    """How wide a terminal shows *line*, by the rules of the characters used above."""
    return sum(2 if letter == LONG_NAMES[1][0] else letter != "\N{COMBINING ACUTE ACCENT}" for letter in line)


def keys_named(names: list[str]) -> list[dict[str, str]]:
    return [key for key in typed("keys", "list", "--json").data["keys"] if key["name"] in names]


def test_ff_44_a_long_list_ends_after_50_rows(home: Home) -> None:
    """A terminal gets 50 rows and how many more there are; a pipe gets every key on a line of its own, uncut."""
    home.make("n" * 100, *READ)
    assert 0 == typed("bench", "seed", "--keys", "1300", "--print", "0", "--yes").code
    _, shown = at_terminal("keys", "list", columns=120)
    piped = typed("keys", "list").out.splitlines()

    assert 50 == shown.count("kf_")
    assert "… 1,252 more\n" in shown
    assert 1 + 1302 == len(piped)
    assert any("n" * 100 in line for line in piped)


def every_command(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in command.commands.items() if isinstance(command, click.Group) else ():
        yield from every_command(inner, (*path, name))


def test_ff_44_no_line_of_help_is_cut() -> None:
    """Every description of a command or an option ends with its last word."""
    for path in every_command(main):
        shown = CliRunner().invoke(main, [*path, "--help"], terminal_width=80).output
        described = [line for line in shown.splitlines() if not line.startswith("Usage:")]

        assert [] == [line for line in described if line.endswith(("...", "…"))], path


def test_fields_of_the_audit_log_keep_the_newest(home: Home) -> None:
    """On a terminal the newest events are the ones that are shown, at the end."""
    for number in range(60):
        typed("teams", "create", f"t{number}")
    _, shown = at_terminal("audit", "tail", "-n", "60", columns=120)
    rows = [line for line in shown.splitlines() if "team.created" in line]

    assert "t59" in rows[-1]
    assert 50 == len(rows)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_ff_44_shells_complete_commands(shell: str) -> None:
    """What the documented line turns on completes the commands of a group."""
    words = {"COMP_WORDS": "keyfob keys dis", "COMP_CWORD": "dis" if shell == "fish" else "2"}

    assert "disable" in run("", _KEYFOB_COMPLETE=f"{shell}_complete", **words).out
