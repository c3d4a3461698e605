"""``keyfob keys``: making, finding and ending keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from keyfob.management.key_drafts import KeyDraft
from keyfob.management.keys import KeySearch
from keyfob.management.pagination import LARGEST_PAGE
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.keys_check import check
from keyfob_admin.cli.options import Group, as_json_option, confirm, team_option, yes_option
from keyfob_admin.cli.output import moment, named, print_fields, print_json, print_table, say
from keyfob_admin.cli.times import NEVER, moment_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from keyfob.management.keys import Acknowledged, Changed, CreatedKey
    from keyfob_admin.cli.context import CliContext

STATES = click.Choice(["active", "disabled", "suspended", "expired"])


@click.group(cls=Group)
def keys() -> None:
    """Make, find, check and end keys."""


keys.add_command(check)


@keys.command()
@click.argument("name")
@team_option
@click.option(
    "--type", "key_type", default="api", show_default=True, metavar="TYPE", help="api, computer, scim, admin…"
)
@click.option("--permission", "permissions", multiple=True, metavar="P", help="What the key may do; repeat it.")
@click.option("--description", metavar="TEXT", help="A longer text for people.")
@click.option(
    "--expires", callback=moment_option(), metavar="WHEN", help="90d, 12h, 2w or RFC 3339. Without it: never."
)
@click.option("--ip", "ip_allow", multiple=True, metavar="CIDR", help="Where it may be used from; repeat it.")
@click.option("--replace", is_flag=True, help="Delete the team's present key of a one-per-team type.")
@as_json_option
def create(
    name: str,
    *,
    team: str | None,
    key_type: str,
    permissions: tuple[str, ...],
    description: str | None,
    expires: datetime | None,
    ip_allow: tuple[str, ...],
    replace: bool,
    as_json: bool,
) -> None:
    """Make a key called NAME. The key alone goes to stdout, this once."""
    draft = KeyDraft(
        name=name,
        key_type=key_type,
        permissions=permissions or None,
        description=description,
        expires_at=expires,
        ip_allow=ip_allow,
    )

    async def work(context: CliContext) -> None:
        created = await context.keys.create(
            await context.team_or_only(team), draft, actor=context.actor, replace=replace
        )
        _hand_over(context, created, as_json=as_json)

    run_with_context(work)


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option("--name", metavar="NAME", help='Without it: "Copy of …".')
@click.option("--add", multiple=True, metavar="P", help="A permission that the copy has besides; repeat it.")
@click.option("--remove", multiple=True, metavar="P", help="A permission that the copy does not have; repeat it.")
@click.option("--expires", callback=moment_option(never=True), metavar="WHEN", help="90d, 12h, 2w, RFC 3339 or never.")
@as_json_option
def duplicate(
    key_id: str, *, name: str | None, add: tuple[str, ...], remove: tuple[str, ...], expires: object, as_json: bool
) -> None:
    """Make a new key like ID: a new secret, all else copied but what the options say."""

    async def work(context: CliContext) -> None:
        original = (await context.key(key_id)).record
        overrides: dict[str, object] = {"name": name} if name is not None else {}
        if add or remove:
            overrides["permissions"] = _edited(original.permissions, add, remove)
        if expires is not None:
            overrides["expires_at"] = None if expires == NEVER else expires
        created = await context.keys.duplicate(original.team, original.id, overrides, actor=context.actor)
        _hand_over(context, created, as_json=as_json)

    run_with_context(work)


def _edited(held: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> list[str]:
    """Apply ``--add`` and ``--remove``; taking away what is not there is a mistake worth telling."""
    strange = [name for name in remove if name not in held]
    if strange:
        raise click.UsageError(f"the key does not hold {', '.join(strange)}; it holds {', '.join(held) or 'nothing'}")
    return sorted({*held, *add} - set(remove))


def _hand_over(context: CliContext, created: CreatedKey, *, as_json: bool) -> None:
    """Give the secret to stdout, and the words to stderr."""
    shown = context.shown().key(created.view)
    if as_json:
        print_json({"key": shown, "secret": created.secret})
        return
    say(f"{shown.display}  {shown.name} (team {shown.team}): {', '.join(shown.permissions) or 'no permissions'}")
    say("This is the only time the key is shown. Keep it where secrets are kept.")
    click.echo(created.secret)


@keys.command("list")
@team_option
@click.option("--state", type=STATES, help="Only keys in this state.")
@click.option("--type", "key_type", metavar="TYPE", help="Only keys of this type.")
@click.option(
    "--unused", callback=moment_option(back=True), metavar="90d", help="Only keys not used for so long, or since then."
)
@as_json_option
def list_(*, team: str | None, state: str | None, key_type: str | None, unused: datetime | None, as_json: bool) -> None:
    """List keys, oldest first; without --team those of all teams."""

    async def work(context: CliContext) -> None:
        of_team = None if team is None else await context.team_or_only(team)
        views = await context.all_keys(
            KeySearch(team=of_team, state=state, key_type=key_type, unused_since=unused, page_size=LARGEST_PAGE)
        )
        shown = [context.shown().key(view) for view in views]
        if as_json:
            print_json({"keys": shown})
            return
        head = ("key", "name", "team", "state", "permissions", "expires", "last used")
        print_table(
            head,
            [
                (
                    key.display,
                    key.name,
                    key.team,
                    key.state,
                    _short(key.permissions),
                    moment(key.expires_at),
                    moment(key.last_used.at if key.last_used else None),
                )
                for key in shown
            ],
        )

    run_with_context(work)


def _short(permissions: Sequence[str], most: int = 3) -> str:
    """Write a few permissions, and how many more there are."""
    more = f" +{len(permissions) - most}" if len(permissions) > most else ""
    return ", ".join(permissions[:most]) + more


@keys.command()
@click.argument("key_id", metavar="ID")
@as_json_option
def show(key_id: str, *, as_json: bool) -> None:
    """Show the key ID: the 16 characters, or kf_api_… as lists show it."""

    async def work(context: CliContext) -> None:
        key = context.shown().key(await context.key(key_id))
        if as_json:
            print_json(key)
            return
        used = f"{moment(key.last_used.at)} from {key.last_used.ip or 'unknown'}" if key.last_used else "never"
        print_fields(
            [
                ("key", key.display),
                ("name", key.name),
                ("description", key.description or ""),
                ("team", key.team),
                ("state", key.state),
                ("permissions", ", ".join(key.permissions)),
                ("addresses", ", ".join(key.ip_allow) or "any"),
                (
                    "created",
                    f"{moment(key.created_at)} by {named(key.created_by.kind, key.created_by.id, key.created_by.name)}",
                ),
                ("duplicated from", key.duplicated_from or ""),
                ("expires", moment(key.expires_at)),
                ("last used", used),
                ("disabled", moment(key.disabled_at, "no")),
            ]
        )

    run_with_context(work)


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until every worker has confirmed it, and show who has.")
@as_json_option
def disable(key_id: str, *, wait: bool, as_json: bool) -> None:
    """Switch the key ID off. It can be switched on again."""

    async def work(context: CliContext) -> None:
        record = (await context.key(key_id)).record
        changed = await context.keys.disable(record.team, record.id, actor=context.actor)
        if not (wait and as_json):
            _tell_change(context, changed, "is disabled", as_json=as_json)
        if wait:
            _tell_workers(context, changed, await context.keys.acknowledged(changed), as_json=as_json)

    run_with_context(work)


def _tell_workers(context: CliContext, changed: Changed, acknowledged: Acknowledged, *, as_json: bool) -> None:
    if as_json:
        print_json(context.shown().disabled(changed, acknowledged))
        return
    head = ("worker", "host", "confirmed")
    workers = acknowledged.workers
    print_table(head, [(one.id, one.host, moment(one.confirmed_at, "no: stopped or cut off")) for one in workers])
    say(f"No worker acts on what was before since {moment(acknowledged.effective_at)}.")


@keys.command()
@click.argument("key_id", metavar="ID")
@as_json_option
def enable(key_id: str, *, as_json: bool) -> None:
    """Switch the key ID on again."""

    async def work(context: CliContext) -> None:
        record = (await context.key(key_id)).record
        changed = await context.keys.enable(record.team, record.id, actor=context.actor)
        _tell_change(context, changed, "is enabled", as_json=as_json)

    run_with_context(work)


def _tell_change(context: CliContext, changed: Changed, what: str, *, as_json: bool) -> None:
    shown = context.shown().changed(changed.view, changed.effective_by)
    if as_json:
        print_json(shown)
        return
    say(f"{shown.display} ({shown.name}) {what}; its state is {shown.state}")
    say(f"Every server acts on it by {moment(shown.effective_by)} at the latest.")


@keys.command()
@click.argument("key_id", metavar="ID")
@yes_option
@as_json_option
def delete(key_id: str, *, yes: bool, as_json: bool) -> None:
    """Delete the key ID for ever. It must be disabled first."""

    async def work(context: CliContext) -> None:
        record = (await context.key(key_id)).record
        name = f"{context.display(record)} ({record.name})"
        if record.is_disabled:
            confirm(f"Delete {name} for ever?", yes=yes)
        await context.keys.delete(record.team, record.id, actor=context.actor)
        if as_json:
            print_json({"id": record.id, "display": context.display(record), "deleted": True})
        else:
            say(f"{name} is deleted")

    run_with_context(work)
