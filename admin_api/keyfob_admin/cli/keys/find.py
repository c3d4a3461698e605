"""``keyfob keys find -``: which keys are in a text? It comes from stdin, because argv would keep the keys in it."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keyfob.errors import NotFound
from keyfob.management.key_finder import LONGEST_TEXT
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.exit_codes import Exit
from keyfob_admin.cli.options import Command, as_json_option
from keyfob_admin.cli.output import named, print_json, print_table, say
from keyfob_admin.wire.found_keys import Deletion, FoundKey, FoundKeys
from keyfob_admin.wire.views import Key

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.management.key_finder import Match
    from keyfob_admin.cli.context import CliContext

STDIN = "-"
_FROM_STDIN = (
    "say `-`, and send the text to stdin, as in `keyfob keys find - < page.html`: a command line stays in the shell's "
    "history"
)


@click.command(cls=Command)
@click.argument("source", nargs=-1, type=click.UNPROCESSED, metavar="-")
@as_json_option
def find(source: tuple[str, ...], *, as_json: bool) -> None:
    """Read a text from stdin, and show every key in it: whole keys, display forms and ids, deleted ones included.

    Exit code 4 if there is none.
    """
    if source != (STDIN,):
        raise click.UsageError(_FROM_STDIN)
    text = read_text()
    found: list[Match] = []

    async def work(context: CliContext) -> None:
        found.extend(await context.runtime.finder.find(text, actor=context.actor))
        shown = [context.shown().found(match) for match in found]
        if as_json:
            print_json(FoundKeys(shown))
        else:
            print_table(("where", "found", "key", "name", "team", "state", "secret"), map(_row, shown), whole=("key",))

    run_with_context(work)
    if not found:
        say("There is no key in this text.")
        click.get_current_context().exit(Exit.NOT_FOUND)


def read_text() -> str:
    """Read what stdin holds. Raises UsageError if it is longer than what is searched."""
    raw = sys.stdin.buffer.read(LONGEST_TEXT + 1)
    if len(raw) > LONGEST_TEXT:
        raise click.UsageError(f"the text is longer than {LONGEST_TEXT // 1024} KiB; send the part that matters")
    return raw.decode("utf-8", "replace")


async def keys_in(context: CliContext, text: str) -> list[KeyRecord]:
    """The keys of this installation in *text* that are not deleted. Raises NotFound if there is none."""
    found = await context.runtime.finder.find(text, actor=context.actor)
    records = {match.view.record.id: match.view.record for match in found if match.view is not None}
    if not records:
        raise NotFound("there is no key of this installation in this text; `keyfob keys find -` shows what is")
    return list(records.values())


def confirm_at_terminal(question: str, *, yes: bool) -> None:
    """Ask at the terminal although stdin holds a text. Raises UsageError where there is none, and no ``--yes``."""
    if yes:
        return
    with suppress(OSError), Path("/dev/tty").open("r+", encoding="utf-8", buffering=1) as terminal:
        terminal.write(f"{question} [y/N]: ")
        if terminal.readline().strip().lower() not in {"y", "yes"}:
            raise click.Abort
        return
    raise click.UsageError("there is no terminal to ask at; add --yes to confirm")


def _row(found: FoundKey) -> tuple[str, ...]:
    where = f"{found.where.line}:{found.where.column}"
    secret = "right" if found.secret_checked else ""
    if isinstance(found.key, Key):
        key = found.key
        return where, found.kind, key.display, key.name, key.team, key.state, secret
    if isinstance(found.deleted, Deletion):
        gone = found.deleted
        by = "" if gone.by is None else f" by {named(gone.by.kind, gone.by.id, gone.by.name)}"
        return where, found.kind, "", gone.name, gone.team, f"deleted {gone.at:%Y-%m-%d}{by}", secret
    return where, found.kind, "", "", "", "", secret
