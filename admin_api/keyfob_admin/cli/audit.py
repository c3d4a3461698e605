"""``keyfob audit``: who changed what. The log holds no secret, and is chained so that changes to it are found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click
import msgspec

from keyfob import audit as chain
from keyfob.management.audit_log import EventSearch
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.exit_codes import Exit, Fault
from keyfob_admin.cli.options import Group, as_json_option, team_option
from keyfob_admin.cli.output import moment, print_json, print_table, say
from keyfob_admin.wire.presenters import shown_event

if TYPE_CHECKING:
    from keyfob.audit import ChainedEvent
    from keyfob_admin.cli.context import CliContext

MOST_SHOWN = 1000
ATTEMPTS = 20


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
    who = f"{event.actor_name} ({event.actor_kind})"
    detail = msgspec.json.encode(dict(event.detail)).decode() if event.detail else ""
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
def verify(*, as_json: bool) -> None:
    """Look for events that were changed, removed, added or moved. Exit code 3 if there are any."""
    faults: list[chain.Fault] = []

    async def work(context: CliContext) -> None:
        count, head, found = await chain_of(context)
        faults.extend(found)
        if as_json:
            told = [{"seq": fault.seq, "what": fault.what} for fault in faults]
            print_json({"ok": not faults, "events": count, "head": head.hex(), "faults": told})
            return
        for fault in faults:
            say(f"event {fault.seq}: {fault.what}")
        say(
            f"{count} events, the last sealed {head.hex()[:16]}…: {f'{len(faults)} FAULTS' if faults else 'as written'}"
        )

    run_with_context(work)
    click.get_current_context().exit(Exit.CHECK_FAILED if faults else Exit.OK)


async def chain_of(context: CliContext) -> tuple[int, bytes, list[chain.Fault]]:
    """Read the whole log; answer how many events there should be, the MAC of the last, and what is wrong."""
    count, head, events = await at_rest(context)
    keys = {char: entry.audit_key for char, entry in context.keyring.entries().items()}
    return count, head, await asyncio.to_thread(_faults, events, count, head, keys)


async def at_rest(context: CliContext) -> tuple[int, bytes, list[ChainedEvent]]:
    """Read the log and where it ends, anew if an event was added meanwhile: that is no fault."""
    for _ in range(ATTEMPTS):
        ending = await context.store.audit_head()
        events = [chained async for chained in context.store.every_event()]
        if ending == await context.store.audit_head():
            return *ending, events
    raise Fault(
        "events are added faster than the log can be read; try again when less is changed "
        "(on SQLite `keyfob db verify` reads it in one go)"
    )


def _faults(events: list[ChainedEvent], count: int, head: bytes, keys: dict[str, bytes]) -> list[chain.Fault]:
    return list(chain.verify_chain(events, count=count, head=head, keys=keys))
