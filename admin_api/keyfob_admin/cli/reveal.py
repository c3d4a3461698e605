"""What the commands that make or change keys have in common: options, and how a new key reaches its reader."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from keyfob_admin.cli.exit_codes import Fault
from keyfob_admin.cli.output import moment, print_json, say
from keyfob_admin.cli.times import from_now, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from keyfob.management.keys import CreatedKey
    from keyfob_admin.cli.context import CliContext
    from keyfob_admin.wire.views import Key

POWERLESS = (
    "A key without permissions opens only what a rule opens to every key; --permission P grants one, and "
    "`keyfob permissions list` shows which there are."
)


def metadata_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the option ``--metadata NAME=VALUE``."""
    return click.option(
        "--metadata",
        multiple=True,
        callback=_read_metadata,
        metavar="NAME=VALUE",
        help="What the application finds in the grant: a text, a number, true or false; null removes it. Repeat it.",
    )(command)


def _read_metadata(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, object]:
    """Read members; a value that is no JSON number, boolean or null is a text."""
    found: dict[str, object] = {}
    for one in given:
        name, separator, text = one.partition("=")
        if not separator:
            raise click.BadParameter(f"{one!r}: write NAME=VALUE.")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        found[name] = text if isinstance(value, dict | list) else value
    return found


def edited(held: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> list[str]:
    """Apply ``--add`` and ``--remove``; removing what the key does not hold is reported as a mistake."""
    both = sorted(set(add) & set(remove))
    if both:
        raise click.UsageError(f"--add and --remove contradict each other: {', '.join(both)}")
    strange = [name for name in remove if name not in held]
    if strange:
        raise click.UsageError(f"the key does not hold {', '.join(strange)}; it holds {', '.join(held) or 'nothing'}")
    return sorted({*held, *add} - set(remove))


def reveal_key(context: CliContext, created: CreatedKey, *, as_json: bool) -> None:
    """Give the secret to stdout, and the words to stderr. Raises Fault if nobody can have read it."""
    shown = context.shown().key(created.view)
    with no_secret_lost(shown):
        if as_json:
            print_json({"key": shown, "secret": created.secret})
            return
        say(f"{shown.display}  {shown.name} (team {shown.team}): {', '.join(shown.permissions) or 'no permissions'}")
        if not shown.permissions:
            say(POWERLESS)
        end = shown.expires_at
        say(f"It expires {moment(end)}, {from_now(end, at=now())}." if end else "It never expires.")
        say("This is the only time the key is shown. Keep it where secrets are kept.")
        click.echo(created.secret)


@contextmanager
def no_secret_lost(shown: Key) -> Iterator[None]:
    """Say that the key was made where its secret could not be printed: on a full disk, or to a pipe nobody reads."""
    try:
        yield
    except OSError as error:
        raise Fault(
            f"the key {shown.display} was made, but its secret could not be written ({error.strerror}), and cannot be "
            f"shown again; `keyfob keys rotate {shown.id} --overlap 0s` makes another"
        ) from error
