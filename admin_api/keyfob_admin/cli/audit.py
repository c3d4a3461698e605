"""``keyfob audit``: who changed what. The log holds no secret, and is chained so that changes to it are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from keyfob import audit as chain
from keyfob.management.audit.audit_log import EventSearch
from keyfob.management.audit.audit_verification import verify_audit
from keyfob.management.audited_state import AFTER
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.exit_codes import Exit
from keyfob_admin.cli.options import Group, as_json_option, team_option
from keyfob_admin.cli.output import moment, named, print_json, print_table, say
from keyfob_admin.wire.presenters import shown_event

if TYPE_CHECKING:
    from keyfob.audit import ChainedEvent
    from keyfob.management.audit.audit_verification import Verification
    from keyfob_admin.cli.context import CliContext

MOST_SHOWN = 1000


@click.group(cls=Group)
def audit() -> None:
    """Who changed what, and whether the log is whole."""


@audit.command()
@click.option("-n", "count", type=click.IntRange(1, MOST_SHOWN), default=20, show_default=True, help="How many.")
@team_option
@click.option("--key", "key_id", metavar="ID", help="Only what was done to this key.")
@click.option("--actor", metavar="NAME", help="Only what this actor did: a name or a key's id.")
@click.option("--action", metavar="ACTION", help="Only this, for example key.disabled.")
@as_json_option
def tail(
    *, count: int, team: str | None, key_id: str | None, actor: str | None, action: str | None, as_json: bool
) -> None:
    """Show the newest events, the newest last."""

    async def work(context: CliContext) -> None:
        key = context.key_id(key_id) if key_id else None
        of_team = None if team is None else await context.team_or_only(team)
        search = EventSearch(team=of_team, key=key, actor=actor, action=action, page_size=count)
        events = list(reversed((await context.runtime.audit_log.events(search, actor=context.actor)).items))
        if as_json:
            print_json({"events": [shown_event(event) for event in events]})
        else:
            rows = [_row(event) for event in events]
            head, whole = ("at", "who", "action", "team", "key", "detail"), ("action", "key")
            print_table(head, rows, whole=whole, drop=("detail", "team", "key"), newest_last=True)

    run_with_context(work)


def _row(chained: ChainedEvent) -> tuple[str, ...]:
    event = chained.event
    who = named(event.actor_kind, event.actor_id, event.actor_name)
    told = {name: value for name, value in event.detail.items() if name != AFTER}  # which repeats the whole state
    detail = msgspec.json.encode(told).decode() if told else ""
    return moment(event.at), who, event.action, event.team or "", event.key_id or "", detail


@audit.command()
@as_json_option
def export(*, as_json: bool) -> None:  # noqa: ARG001 - it is JSON anyway
    """Print the whole log, oldest first, one JSON object on each line, with the MACs that prove it."""

    async def work(context: CliContext) -> None:
        async for chained in context.store.every_event():
            shown = msgspec.to_builtins(shown_event(chained))
            print_json({**shown, "keyring": chained.key_char, "MAC": chained.mac.hex()})

    run_with_context(work)


@audit.command()
@as_json_option
def head(*, as_json: bool) -> None:
    """Print the log's head, COUNT:MAC. Keep it outside the database, for `keyfob audit verify --head`."""

    async def work(context: CliContext) -> None:
        count, mac = await context.store.audit_head()
        if as_json:
            print_json({"head": str(chain.Head(count, mac)), "events": count, "mac": mac.hex()})
        else:
            click.echo(str(chain.Head(count, mac)))

    run_with_context(work)


def _read_head(_: click.Context, __: click.Parameter, text: str | None) -> chain.Head | None:
    try:
        return None if text is None else chain.Head.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@audit.command()
@click.option(
    "--head",
    "kept",
    metavar="COUNT:MAC",
    callback=_read_head,
    help="The log must still hold the event that `keyfob audit head` printed.",
)
@as_json_option
def verify(*, kept: chain.Head | None, as_json: bool) -> None:
    """Check the log, and every key, team and signing key against it. Exit code 3 if anything was changed.

    An event that was changed, removed, added or moved breaks the log's chain of MACs. A row that was changed in the
    database differs from what the log says of it. Events cut off at the end are noticed with --head only.
    """
    found: list[Verification] = []

    async def work(context: CliContext) -> None:
        found.append(await verify_audit(context.store, context.keyring.entries(), *([kept] if kept else [])))
        _print_verification(found[0], as_json=as_json)

    run_with_context(work, check_keyring=False)
    click.get_current_context().exit(Exit.OK if found[0].is_whole else Exit.CHECK_FAILED)


def _print_verification(found: Verification, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "ok": found.is_whole,
                "events": found.head.count,
                "head": found.head.mac.hex(),
                "faults": [{"seq": fault.seq, "what": fault.what} for fault in found.faults],
                "differences": [{"row": each.row, "what": each.what} for each in found.differences],
            }
        )
        return
    for fault in found.faults:
        say(f"event {fault.seq}: {fault.what}")
    for difference in found.differences:
        say(f"{difference.row}: {difference.what}")
    faults, rows = len(found.faults), len(found.differences)
    wrong = [f"{faults} {'FAULT' if faults == 1 else 'FAULTS'}"] if faults else []
    wrong += [f"{rows} {'ROW DIFFERS' if rows == 1 else 'ROWS DIFFER'} FROM IT"] if rows else []
    say(f"{found.head.count} events, head {found.head.mac.hex()[:16]}…: {', '.join(wrong) or 'as written'}")
