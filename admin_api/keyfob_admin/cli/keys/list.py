"""``keyfob keys list`` and ``show``: what there is to see of keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from keyfob.keys.format import key_id_of
from keyfob.management.key_listing import ORDERS
from keyfob.management.keys import KeySearch
from keyfob.management.pagination import LARGEST_PAGE
from keyfob_admin.cli.context import WHOLE_KEY, run_with_context
from keyfob_admin.cli.exit_codes import Exit
from keyfob_admin.cli.options import Command, as_json_option, team_option
from keyfob_admin.cli.output import moment, moment_cell, named, print_fields, print_json, print_table
from keyfob_admin.cli.times import moment_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from keyfob_admin.cli.context import CliContext
    from keyfob_admin.wire.views import Key

STATES = click.Choice(["active", "disabled", "pending", "suspended", "expired"])
_ORDERS = [f"{sign}{order}" for order in ORDERS for sign in ("", "-")]
_HEAD = ("key", "name", "team", "state", "permissions", "expires", "last used")


@click.command("list", cls=Command)
@team_option
@click.option("--search", metavar="TEXT", help="Only keys with this in their name or id.")
@click.option("--state", type=STATES, help="Only keys in this state.")
@click.option("--type", "key_type", metavar="TYPE", help="Only keys of this type.")
@click.option(
    "--unused",
    "unused_since",
    callback=moment_option(back=True),
    metavar="90d",
    help="Only keys not used for so long, or since then.",
)
@click.option("--never-used", is_flag=True, help="Only keys that were never used.")
@click.option("--expiring", callback=moment_option(), metavar="30d", help="Only active keys that expire before then.")
@click.option("--expires-before", callback=moment_option(), metavar="30d", help="Only keys that expire before then.")
@click.option("--expires-after", callback=moment_option(), metavar="30d", help="Only keys that expire later, or never.")
@click.option("--created-by", metavar="ID", help="Only keys that the key or person with this id made.")
@click.option("--owner", metavar="ID", help="Only keys that the person with this id owns, or team.")
@click.option("--external-id", metavar="ID", help="Only keys that another system knows by this id.")
@click.option("--order-by", type=click.Choice(_ORDERS), default="created_at", help="Also with - before it, to turn it.")
@as_json_option
def list_(
    *,
    team: str | None,
    search: str | None,
    expiring: datetime | None,
    as_json: bool,
    **sought: Any,  # noqa: ANN401 - the other members of a search, each by the name of its option
) -> None:
    """List keys, oldest first unless --order-by says so; without --team those of all teams."""
    if expiring is not None:
        if sought["state"] is not None or sought["expires_before"] is not None:
            raise click.UsageError("--expiring stands for --state active and --expires-before; leave these out")
        sought |= {"state": "active", "expires_before": expiring}

    async def work(context: CliContext) -> None:
        search_in = None if team is None else await context.team_or_only(team)
        q = None if search is None else _without_secret(search, context.settings.prefix)
        found = await context.all_keys(KeySearch(search_in, q=q, page_size=LARGEST_PAGE, **sought))
        _print_list([context.shown().key(view) for view in found], as_json=as_json)

    run_with_context(work)


def _print_list(shown: Sequence[Key], *, as_json: bool) -> None:
    if as_json:
        print_json({"keys": shown})
        return
    whole = ("state", "expires", "last used")
    print_table(_HEAD, map(_row, shown), whole=whole, drop=("permissions", "last used", "team", "expires"))


@click.command(cls=Command)
@team_option
@click.option(
    "--within", callback=moment_option(), default="14d", show_default=True, metavar="14d", help="How soon they run out."
)
@as_json_option
def expiring(*, team: str | None, within: datetime, as_json: bool) -> None:
    """List active keys that run out soon, the next one first. Exit code 3 if there are any, for a daily job."""
    found: list[Key] = []

    async def work(context: CliContext) -> None:
        sought = KeySearch(
            team=None if team is None else await context.team_or_only(team),
            state="active",
            expires_before=within,
            order_by="expires_at",
            page_size=LARGEST_PAGE,
        )
        found.extend(context.shown().key(view) for view in await context.all_keys(sought))
        if as_json:
            print_json({"keys": found})
        else:
            print_table(_HEAD, map(_row, found), whole=("state", "expires"), drop=("permissions", "last used", "team"))

    run_with_context(work)
    if found:
        click.get_current_context().exit(Exit.CHECK_FAILED)


def _without_secret(search: str, prefix: str) -> str:
    """Refuse a whole key, whose secret should not stand on a command line."""
    found = key_id_of(search.strip(), prefix)
    if found is not None and not search.strip().endswith(found):
        raise click.UsageError(WHOLE_KEY)
    return search


def _row(key: Key) -> tuple[str, ...]:
    used = moment_cell(key.last_used.at if key.last_used else None)
    permissions = _short(key.permissions)
    return key.display, key.name, key.team, key.state, permissions, moment_cell(key.expires_at), used


def _short(permissions: Sequence[str], most: int = 3) -> str:
    """Write a few permissions, and how many more there are."""
    more = f" +{len(permissions) - most}" if len(permissions) > most else ""
    return ", ".join(permissions[:most]) + more


def _owned_by(key: Key) -> str:
    """Say who owns the key."""
    return "the team" if key.owner.kind == "team" else f"{key.owner.name} (person {key.owner.id})"


@click.command(cls=Command)
@click.argument("key_id", metavar="ID")
@as_json_option
def show(key_id: str, *, as_json: bool) -> None:
    """Show the key ID: the 16 characters, or kf_api_ and those, as lists show it."""

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
                ("owner", _owned_by(key)),
                ("duplicated from", key.duplicated_from or ""),
                ("replaces", key.replaces or ""),
                ("replaced by", f"{key.replaced_by}, {moment(key.replaced_at)}" if key.replaced_by else ""),
                ("external id", key.external_id or ""),
                ("metadata", json.dumps(key.metadata, ensure_ascii=False) if key.metadata else ""),
                ("expires", moment(key.expires_at)),
                ("last used", used),
                ("disabled", moment(key.disabled_at, "no")),
            ]
        )

    run_with_context(work)
