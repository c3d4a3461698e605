"""``keyfob keys disable``, ``enable`` and ``delete``: each takes one id or several.

All ids are looked up before the first key is changed, so that a mistyped one leaves the others as they are. With
``--json`` each key is one line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from keyfob.errors import KeyNotDisabled
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.keys.find import STDIN, confirm_at_terminal, keys_in, read_text
from keyfob_admin.cli.options import Command, as_json_option, confirm, yes_option
from keyfob_admin.cli.output import moment, print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from keyfob.keys.record import KeyRecord
    from keyfob.management.keys import Acknowledged, Changed
    from keyfob_admin.cli.context import CliContext


def _ids_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("key_ids", metavar="ID...", nargs=-1, required=True)(command)


def _reason_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--reason", metavar="TEXT", help="Why; kept in the audit log.")(command)


async def _records(context: CliContext, key_ids: Iterable[str]) -> list[KeyRecord]:
    """Find every key that is named, each once, in the order of their naming. Raises NotFound."""
    found = [(await context.key(key_id)).record for key_id in key_ids]
    return list({record.id: record for record in found}.values())


@click.command(cls=Command)
@_ids_argument
@click.option("--wait", is_flag=True, help="Wait until every worker has confirmed it, and show which have.")
@_reason_option
@yes_option
@as_json_option
def disable(key_ids: tuple[str, ...], *, wait: bool, reason: str | None, yes: bool, as_json: bool) -> None:
    """Disable the keys named by ID; with `-` every key in the text on stdin, after asking. `enable` undoes it."""
    if STDIN in key_ids and len(key_ids) > 1:
        raise click.UsageError("name keys, or say `-` and send a text to stdin; not both")
    text = read_text() if key_ids == (STDIN,) else None

    async def work(context: CliContext) -> None:
        records = await (_records(context, key_ids) if text is None else keys_in(context, text))
        if text is not None:
            names = ", ".join(f"{context.display(record)} ({record.name}, team {record.team})" for record in records)
            confirm_at_terminal(f"Disable {names}?", yes=yes)
        for record in records:
            changed = await context.keys.disable(record.team, record.id, actor=context.actor, reason=reason)
            if not (wait and as_json):
                _tell_change(context, changed, "disabled", as_json=as_json)
            if wait:
                acknowledged = await context.keys.acknowledged(changed)
                if as_json:
                    print_json(context.shown().disabled(changed, acknowledged))
                else:
                    tell_workers(acknowledged)

    run_with_context(work)


def tell_workers(acknowledged: Acknowledged, *, beside_secret: bool = False) -> None:
    """Say which workers have confirmed a change, and since when none acts on what was before.

    Beside a secret, which is alone on stdout, all of it goes to stderr.
    """
    rows = [(one.id, one.host, moment(one.confirmed_at, "no: stopped or cut off")) for one in acknowledged.workers]
    if beside_secret:
        for worker, host, confirmed in rows:
            say(f"Worker {worker} on {host} confirmed: {confirmed}")
    else:
        print_table(("worker", "host", "confirmed"), rows, whole=("confirmed",))
    say(f"No worker acts on the old state any longer, since {moment(acknowledged.effective_at)}.")


@click.command(cls=Command)
@_ids_argument
@as_json_option
def enable(key_ids: tuple[str, ...], *, as_json: bool) -> None:
    """Enable the keys named by ID again."""

    async def work(context: CliContext) -> None:
        for record in await _records(context, key_ids):
            changed = await context.keys.enable(record.team, record.id, actor=context.actor)
            _tell_change(context, changed, "enabled", as_json=as_json)

    run_with_context(work)


def _tell_change(context: CliContext, changed: Changed, what: str, *, as_json: bool) -> None:
    shown = context.shown().changed(changed.view, changed.effective_by)
    if as_json:
        print_json(shown)
        return
    but = "" if shown.state in {"active", what} else f", but {shown.state}"
    say(f"{shown.display} ({shown.name}) is {what}{but}.")
    say(f"Every server acts on it by {moment(shown.effective_by)} at the latest.")


@click.command(cls=Command)
@_ids_argument
@_reason_option
@yes_option
@as_json_option
def delete(key_ids: tuple[str, ...], *, reason: str | None, yes: bool, as_json: bool) -> None:
    """Delete the keys named by ID for ever. They must be disabled first."""

    async def work(context: CliContext) -> None:
        records = await _records(context, key_ids)
        names = {record.id: f"{context.display(record)} ({record.name})" for record in records}
        enabled = [names[record.id] for record in records if not record.is_disabled]
        if enabled:
            raise KeyNotDisabled(f"disable the key before you delete it: {', '.join(enabled)}")
        confirm(f"Delete {', '.join(names.values())} for ever?", yes=yes)
        for record in records:
            await context.keys.delete(record.team, record.id, actor=context.actor, reason=reason)
            if as_json:
                print_json({"id": record.id, "display": context.display(record), "deleted": True})
            else:
                say(f"{names[record.id]} is deleted.")

    run_with_context(work)
