"""The tables of the documents are held against the code: nothing is missing, and nothing is said that is not so."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import click
import pytest

from keyfob.asgi.options import Options
from keyfob.config.kinds import InvalidValue
from keyfob.config.schema import SECTIONS
from keyfob.config.settings import AdminSettings, MetricsSettings, PageSettings, Settings, UsageSettings
from keyfob.errors import AlreadyInstalled, KeyfobError, Refused, TeamInUse
from keyfob.rules.compiler import compile_rules
from keyfob_admin.api import TABLE
from keyfob_admin.cli import main
from keyfob_admin.cli.exit_codes import Exit
from keyfob_admin.problems import STATUSES
from tests.docs.blocks import blocks_of
from tests.docs.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyfob_admin.api.route import Route


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every row of every table, without backticks."""
    for line in text.splitlines():
        if line.startswith("|") and not set(line) <= set("|- "):
            yield [cell.strip().replace("`", "") for cell in line.strip("|").split(" | ")]


def section(text: str, heading: str) -> str:
    """What stands between *heading* and the next heading of any level."""
    return re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


PRECEDENCE = section(page("rules-and-permissions.md"), "Which rule applies")
REQUESTS = [row for row in rows(PRECEDENCE) if row[0] != "request"]


@pytest.mark.parametrize(("request_line", "rule"), [row[:2] for row in REQUESTS], ids=[row[0] for row in REQUESTS])
def test_the_table_of_precedence_is_what_the_rules_do(request_line: str, rule: str) -> None:
    """Every request of the table finds the rule that the table names, or none."""
    (written,) = blocks_of(PRECEDENCE)
    table = compile_rules(tomllib.loads(written.text)["rules"], known=None, key_types={"api"})
    match = table.match(*request_line.split())

    assert rule == ("none" if match is None else match.rule.text)


CONFIGURATION = page("configuration.md")
SETTINGS = {
    (name, row[0]): row for name in SECTIONS for row in rows(section(CONFIGURATION, f"[{name}]")) if row[0] != "setting"
}
DEFAULTS = {
    "middleware": Settings(),
    "keys": Settings(),
    "usage": UsageSettings(),
    "metrics": MetricsSettings(),
    "page": PageSettings(),
    "admin": AdminSettings(),
}
WITH_DEFAULT = [place for place in SETTINGS if place[0] in DEFAULTS]
BOUNDED = [
    place
    for place in WITH_DEFAULT
    if re.match(r"[\d.,]+ to [\d.,]+ (seconds|keys|threads|hours|days)$", SETTINGS[place][2])
]


def test_every_setting_has_its_line() -> None:
    """The page of settings names every one that can be written into the file, in its section, and no other."""
    assert {(name, setting) for name, settings in SECTIONS.items() for setting in settings} == SETTINGS.keys()


def test_every_keyword_is_described() -> None:
    """What the middleware takes in a program stands on the page of settings."""
    assert [] == [name for name in Options.__annotations__ if f"`{name}`" not in CONFIGURATION]


@pytest.mark.parametrize(("name", "setting"), WITH_DEFAULT)
def test_a_default_is_what_the_page_says(name: str, setting: str) -> None:
    """A default is written as in the file, and is the one that Keyfob has; "none" stands for no value."""
    said = SETTINGS[name, setting][1]
    default = getattr(DEFAULTS[name], "limits_store" if setting == "limits" else setting)
    as_written = list(default) if isinstance(default, tuple) else default

    assert as_written == (None if said.startswith("none") else tomllib.loads(f"x = {said}")["x"])


@pytest.mark.parametrize(("name", "setting"), BOUNDED)
def test_a_range_is_what_the_page_says(name: str, setting: str) -> None:
    """Both ends of a range can be used, and what lies beyond them cannot."""
    written = SETTINGS[name, setting][2].replace(",", "").split()
    low, high = (float(end) if "." in end else int(end) for end in (written[0], written[2]))
    check = SECTIONS[name][setting].check

    assert [low, high] == [check(low), check(high)]
    for beyond in (low - 1, high + 1):
        with pytest.raises(InvalidValue):
            check(beyond)


def test_ranges_are_recognised() -> None:
    """The test above does not pass for want of ranges."""
    assert 7 == len(BOUNDED)


COMMAND_LINE = page("command-line.md")


def every_command(command: click.Command, words: str = "keyfob") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from every_command(inner, f"{words} {name}")
    else:
        yield words, command


COMMANDS = dict(every_command(main))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_option_is_described(words: str) -> None:
    """Each command has its heading, below which each of its own options is named."""
    described = section(COMMAND_LINE, f"`{words}`")
    options = {name for option in COMMANDS[words].params for name in option.opts if name.startswith("--")}
    everywhere = {"--config", "--json"}

    assert [] == sorted(name for name in options - everywhere if name not in described)


def test_no_other_command_is_described() -> None:
    """What has a heading on the page of commands is a command."""
    assert set(re.findall(r"^#+ `(keyfob [\w -]+)`$", COMMAND_LINE, re.MULTILINE)) == COMMANDS.keys()


def test_every_exit_code_is_described() -> None:
    """The table of exit codes is complete."""
    told = {int(row[0]) for row in rows(section(COMMAND_LINE, "Exit codes")) if row[0].isdigit()}

    assert set(Exit) == told


ADMIN_API = page("admin-api.md")


@pytest.mark.parametrize("route", TABLE, ids=[f"{route.method} {route.path}" for route in TABLE])
def test_every_call_is_described(route: Route[Any]) -> None:
    """Each call of the admin API has its heading, and names the permission that it needs."""
    described = section(ADMIN_API, f"`{route.method} {route.path.replace('{key}', '{id}')}`")

    assert [] == [name for name in route.any_of if f"`{name}`" not in described]


CODES = {
    (int(row[0]), code)
    for row in rows(ADMIN_API)
    for code in re.findall(r"[a-z]+_[a-z_]+|unavailable|policy", row[1])
    if row[0].isdigit()
}


@pytest.mark.parametrize("error", sorted(STATUSES, key=str), ids=str)
def test_every_refusal_is_described(error: type[KeyfobError]) -> None:
    """Each refusal of the lifecycle stands in the table, with its status and code."""
    if error in {AlreadyInstalled, TeamInUse}:  # only `keyfob init` and `keyfob teams delete` meet these
        return
    code = error.code if issubclass(error, Refused) else "unavailable"

    assert (STATUSES[error], code) in CODES
