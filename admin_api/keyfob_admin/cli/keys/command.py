"""``keyfob keys``: the group, and the two commands that make a key."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import click

from keyfob.management.key_drafts import ABSENT, KeyDraft
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.keys.change import edit, rotate
from keyfob_admin.cli.keys.check import check
from keyfob_admin.cli.keys.find import find
from keyfob_admin.cli.keys.handover import LinkOptions, handover, handover_options
from keyfob_admin.cli.keys.limits import limits
from keyfob_admin.cli.keys.list import expiring, list_, show
from keyfob_admin.cli.keys.state import delete, disable, enable
from keyfob_admin.cli.keys.usage import usage
from keyfob_admin.cli.options import Group, as_json_option, ended_by_ctrl_c, team_option, yes_option
from keyfob_admin.cli.output import say
from keyfob_admin.cli.reveal import POWERLESS, edited, metadata_option, reveal_key
from keyfob_admin.cli.times import HOW, NEVER, moment_option

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob_admin.cli.context import CliContext


@click.group(cls=Group)
def keys() -> None:
    """Create, find, check, disable and delete keys."""


for _command in (list_, expiring, show, edit, rotate, disable, enable, delete, check, find, handover, usage, limits):
    keys.add_command(_command)


@keys.command()
@click.argument("name")
@team_option
@click.option(
    "--type", "key_type", default="api", show_default=True, metavar="TYPE", help="Also computer, scim, admin or yours."
)
@click.option("--permission", "permissions", multiple=True, metavar="P", help="What the key may do; repeat it.")
@click.option("--description", metavar="TEXT", help="A longer text for people.")
@click.option(
    "--expires",
    callback=moment_option(never=True),
    metavar="WHEN",
    help=f"{HOW}, or never. Without it: the default lifetime of its type, if that has one.",
)
@click.option("--ip", "ip_allow", multiple=True, metavar="CIDR", help="Where it may be used from; repeat it.")
@metadata_option
@click.option("--external-id", metavar="ID", help="The id that another system knows the key by.")
@click.option("--replace", is_flag=True, help="Delete the team's present key of a one-per-team type.")
@handover_options
@yes_option
@as_json_option
def create(
    name: str,
    *,
    team: str | None,
    key_type: str,
    permissions: tuple[str, ...],
    description: str | None,
    expires: object,
    ip_allow: tuple[str, ...],
    metadata: dict[str, Any],
    external_id: str | None,
    replace: bool,
    link: LinkOptions | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Create a key called NAME. The key goes to stdout, alone and only this once."""
    draft = KeyDraft(
        name=name,
        key_type=key_type,
        permissions=permissions or None,
        description=description,
        expires_at=ABSENT if expires is None else None if expires == NEVER else cast("datetime", expires),
        ip_allow=ip_allow,
        metadata=metadata,
        external_id=external_id,
    )

    async def work(context: CliContext) -> None:
        of_team = await context.team_or_only(team)
        if not permissions:
            _ask_about_powerless(context, key_type, yes=yes)
        if link is not None:
            return await link.make(context, of_team, draft, replace=replace, as_json=as_json)
        created = await context.keys.create(of_team, draft, actor=context.actor, replace=replace)
        return reveal_key(context, created, as_json=as_json)

    run_with_context(work)


def _ask_about_powerless(context: CliContext, key_type: str, *, yes: bool) -> None:
    """Ask at a terminal whether a key without permissions is meant; a script is warned by `_hand_over`."""
    known = context.runtime.catalogue.key_types.get(key_type)
    if yes or known is None or known.is_fixed or not sys.stdin.isatty():
        return
    say(POWERLESS)
    with ended_by_ctrl_c():
        click.confirm("Create it all the same?", abort=True, err=True)


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option("--name", metavar="NAME", help='Without it: "Copy of" and the name of the original.')
@click.option("--add", multiple=True, metavar="P", help="A permission to add to the copy; repeat it.")
@click.option("--remove", multiple=True, metavar="P", help="A permission to leave out of the copy; repeat it.")
@click.option("--expires", callback=moment_option(never=True), metavar="WHEN", help=f"{HOW}, or never.")
@as_json_option
def duplicate(
    key_id: str, *, name: str | None, add: tuple[str, ...], remove: tuple[str, ...], expires: object, as_json: bool
) -> None:
    """Create a key like ID: a new secret, and a copy of everything that no option changes."""

    async def work(context: CliContext) -> None:
        original = (await context.key(key_id)).record
        overrides: dict[str, object] = {"name": name} if name is not None else {}
        if add or remove:
            overrides["permissions"] = edited(original.permissions, add, remove)
        if expires is not None:
            overrides["expires_at"] = None if expires == NEVER else expires
        created = await context.keys.duplicate(original.team, original.id, overrides, actor=context.actor)
        reveal_key(context, created, as_json=as_json)

    run_with_context(work)
