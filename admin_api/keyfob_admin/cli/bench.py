"""``keyfob bench``: filling a database, to measure what Keyfob does with many keys."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from keyfob.store.contract.key_store import KeyQuery
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.exit_codes import Fault
from keyfob_admin.cli.options import Group, confirm, team_option, yes_option
from keyfob_admin.cli.output import say
from keyfob_admin.cli.times import now
from keyfob_admin.setup.seeding import Seeding, seed

if TYPE_CHECKING:
    from keyfob_admin.cli.context import CliContext

_TYPE = "api"  # what the demo and most applications ask for


@click.group(cls=Group)
def bench() -> None:
    """Fill a database with keys, to measure with. Never one that matters."""


@bench.command("seed")
@click.option("--keys", "count", type=click.IntRange(1, 10_000_000), required=True, metavar="N", help="How many.")
@team_option
@click.option(
    "--permission", "permissions", multiple=True, metavar="P", help="What each may do; repeat it. Without it: all."
)
@click.option(
    "--print", "shown", type=click.IntRange(0), default=1000, show_default=True, metavar="N", help="Keys to print."
)
@yes_option
def seed_command(*, count: int, team: str | None, permissions: tuple[str, ...], shown: int, yes: bool) -> None:
    """Make N api keys at once, for measuring alone. Some of them go to stdout, one a line; the rest nobody can use.

    Each is admitted like any other key, by its own digest. But hashing a million secrets takes hours, so that all share
    one Argon2id hash, of another secret: where digests are not in use (persist_digests = false, or a signing key
    marked lost) every one of them is refused. Use a database that you throw away.
    """

    async def work(context: CliContext) -> None:
        chosen = await _team(context, team)
        if len(await context.store.views(KeyQuery(team=None, now=now(), limit=2))) > 1:
            confirm(f"This database has keys already. Put {count} more into it, for measuring alone?", yes=yes)
        order = Seeding(
            count=count,
            team=chosen,
            actor=context.actor,
            permissions=_permissions(context, permissions),
            keep=shown,
        )
        for text in await _seeded(context, order):
            click.echo(text)
        say(f"{count} keys are in the team {chosen} now; {min(shown, count)} of them were printed, this once.")

    run_with_context(work)


async def _team(context: CliContext, team: str | None) -> str:
    """Give the team, which must be one whose api keys are admitted."""
    chosen = await context.team_or_only(team)
    found = await context.store.team(chosen)
    if found is not None and not context.runtime.catalogue.allows(found.plan, _TYPE):
        raise Fault(f"the team {chosen} has the plan {found.plan}, under which api keys are refused; name another team")
    return chosen


def _permissions(context: CliContext, asked: tuple[str, ...]) -> tuple[str, ...]:
    strange = context.runtime.catalogue.check_grants(_TYPE, asked)
    if strange:
        raise click.UsageError(
            f"no api key can hold {', '.join(strange)}; `keyfob permissions list` shows the catalogue"
        )
    return tuple(sorted(set(asked or context.runtime.catalogue.permissions)))


async def _seeded(context: CliContext, order: Seeding) -> list[str]:
    progress = _tell if sys.stderr.isatty() else _say_nothing
    return await seed(context.store, context.runtime.issuer, order, now=now(), progress=progress)


def _tell(made: int) -> None:
    click.echo(f"\r{made} keys ", err=True, nl=False)


def _say_nothing(_: int) -> None:
    pass
