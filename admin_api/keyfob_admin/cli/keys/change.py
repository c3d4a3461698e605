"""``keyfob keys rotate`` and ``edit``: a key in place of another, and a key changed as it is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.keys.state import tell_workers
from keyfob_admin.cli.options import Command, as_json_option
from keyfob_admin.cli.output import moment, print_json, say
from keyfob_admin.cli.reveal import edited, metadata_option, no_secret_lost, reveal_key
from keyfob_admin.cli.times import HOW, NEVER, moment_option

if TYPE_CHECKING:
    from keyfob.management.keys import CreatedKey
    from keyfob_admin.cli.context import CliContext


@click.command(cls=Command)
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    default="24h",
    show_default=True,
    metavar="24h",
    help=f"How long the replaced key goes on working: 0s to 90d, or {NEVER} for no end.",
)
@click.option("--expires", callback=moment_option(never=True), metavar="WHEN", help=f"{HOW}, or never.")
@click.option("--wait", is_flag=True, help="Wait until every worker has confirmed it, and show which have.")
@as_json_option
def rotate(key_id: str, *, overlap: str, expires: object, wait: bool, as_json: bool) -> None:
    """Replace the key ID by a new one that is like it. The new key goes to stdout, alone and only this once."""

    async def work(context: CliContext) -> None:
        original = (await context.key(key_id)).record
        overrides: dict[str, object] = {} if expires is None else {"expires_at": None if expires == NEVER else expires}
        created = await context.keys.rotate(
            original.team,
            original.id,
            overrides,
            overlap=None if overlap == NEVER else overlap,
            actor=context.actor,
        )
        if as_json:
            # The secret is printed whatever happens to the wait.
            shown = context.shown().rotated(created)
            with no_secret_lost(shown.key):
                print_json(shown)
        else:
            _tell_end(created)
            reveal_key(context, created, as_json=False)
        if wait:
            acknowledged = await context.keys.acknowledged(await context.keys.in_force(created.view))
            if not as_json:
                tell_workers(acknowledged, beside_secret=True)

    run_with_context(work)


def _tell_end(created: CreatedKey) -> None:
    replaced = created.replaced
    if replaced is None:
        return
    if replaced.expires_at is None:
        say(f"The key {replaced.id} goes on working until somebody ends it.")
    else:
        say(f"The key {replaced.id} ends {moment(replaced.expires_at)}.")


@click.command(cls=Command)
@click.argument("key_id", metavar="ID")
@click.option("--name", metavar="NAME", help="Another name.")
@click.option("--description", metavar="TEXT", help='A longer text for people; "" for none.')
@click.option("--add", multiple=True, metavar="P", help="A permission to add; repeat it.")
@click.option("--remove", multiple=True, metavar="P", help="A permission to take away; repeat it.")
@click.option("--expires", callback=moment_option(never=True), metavar="WHEN", help=f"{HOW}, or never.")
@click.option("--ip", "ip_allow", multiple=True, metavar="CIDR", help="All addresses it may be used from; repeat it.")
@click.option("--any-ip", is_flag=True, help="Let it be used from every address.")
@metadata_option
@click.option("--external-id", metavar="ID", help='The id that another system knows the key by; "" for none.')
@as_json_option
def edit(
    key_id: str,
    *,
    name: str | None,
    description: str | None,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    expires: object,
    ip_allow: tuple[str, ...],
    any_ip: bool,
    metadata: dict[str, object],
    external_id: str | None,
    as_json: bool,
) -> None:
    """Change the key ID. What no option names stays as it is."""
    if any_ip and ip_allow:
        raise click.UsageError("--ip and --any-ip contradict each other")
    options = {
        "name": (name is not None, name),
        "description": (description is not None, description or None),
        "expires_at": (expires is not None, None if expires == NEVER else expires),
        "ip_allow": (any_ip or bool(ip_allow), list(ip_allow)),
        "metadata": (bool(metadata), metadata),
        "external_id": (external_id is not None, external_id or None),
    }
    patch: dict[str, object] = {field: value for field, (is_given, value) in options.items() if is_given}
    run_with_context(partial(_edit, key_id, patch, add, remove, as_json=as_json))


async def _edit(
    key_id: str,
    patch: dict[str, object],
    add: tuple[str, ...],
    remove: tuple[str, ...],
    context: CliContext,
    *,
    as_json: bool,
) -> None:
    """Apply *patch* and the changes to the permissions, and say what came of it."""
    before = (await context.key(key_id)).record
    if add or remove:
        patch["permissions"] = edited(before.permissions, add, remove)
    view = await context.keys.update(
        before.team, before.id, patch, actor=context.actor, if_match=before.revision if add or remove else None
    )
    shown = context.shown().key(view)
    if as_json:
        print_json(shown)
    elif view.record.revision == before.revision:
        say(f"{shown.display} ({shown.name}) is that already; nothing was changed.")
    else:
        say(f"{shown.display} ({shown.name}) was changed.")
