"""Commands and groups that all take ``--config``, and the options that several of them share."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from keyfob.config.kinds import InvalidValue
from keyfob.config.web_kinds import web_url
from keyfob_admin.wire.links import DEFAULT_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

F = TypeVar("F", bound="Callable[..., object]")

DEFAULT_CONFIG = "keyfob.toml"
_NAMED = "keyfob.config"  # in click's ``meta``, which a command shares with the groups that it is in


def _note(context: click.Context, _: click.Parameter, path: str | None) -> None:
    """Keep the path; the innermost ``--config`` wins."""
    if path:
        context.meta[_NAMED] = path


def _config_option() -> click.Option:
    said = f"The configuration file (or KEYFOB_CONFIG; {DEFAULT_CONFIG} in this folder)."
    return click.Option(["--config"], metavar="FILE", expose_value=False, callback=_note, help=said)


class Command(click.Command):
    """A command with ``--config``, whose line in a list of commands is its first sentence, never cut."""

    def __init__(self, *args: Any, **settings: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(*args, **settings)
        self.params.append(_config_option())

    def get_short_help_str(self, limit: int = 0) -> str:
        """Give the first sentence; click wraps what is longer than *limit*."""
        return _first_sentence(self.help, limit)


class Group(click.Group):
    """A group with ``--config``, whose commands and groups have it too."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **settings: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(*args, **settings)
        self.params.append(_config_option())

    def get_short_help_str(self, limit: int = 0) -> str:
        """Give the first sentence; click wraps what is longer than *limit*."""
        return _first_sentence(self.help, limit)


def _first_sentence(text: str | None, _: int) -> str:
    paragraph = " ".join((text or "").partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".") + "."


def config_named() -> Path | None:
    """Give the file that the command line or the environment names, if any."""
    path = click.get_current_context().meta.get(_NAMED) or os.environ.get("KEYFOB_CONFIG")
    return Path(path) if path else None


def as_json_option(command: F) -> F:
    """Add ``--json`` as the argument *as_json*."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def team_option(command: F) -> F:
    """Add ``--team``."""
    return click.option("--team", metavar="TEAM", help="The team's id.")(command)


def _read_url(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Check the address as `[admin] url` is checked: a link that leads nowhere cannot be told from a good one."""
    try:
        return str(web_url().check(text)) if text else None
    except InvalidValue as wrong:
        raise click.BadParameter(f"{wrong}.") from None


def url_option(command: F) -> F:
    """Add ``--url``."""
    said = f"Where the console answers ([admin] url, or {DEFAULT_URL})."
    return click.option("--url", metavar="URL", callback=_read_url, help=said)(command)


def yes_option(command: F) -> F:
    """Add ``--yes``."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def host_option(command: F) -> F:
    """Add ``--host``."""
    return click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")(command)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; where nobody can answer, ``--yes`` is demanded."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this cannot be undone, and there is no terminal to ask at; add --yes to confirm")
    with ended_by_ctrl_c():
        click.confirm(question, abort=True, err=True)


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end a question that is asked in an event loop, which would only note it and wait for the answer."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
