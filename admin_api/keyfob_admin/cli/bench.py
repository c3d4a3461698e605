"""``keyfob bench``: filling a database, to measure what Keyfob does with many keys."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from keyfob.management.key_issuer import Minter
from keyfob.store.contract import KeyQuery
from keyfob_admin.cli.context import at_desk
from keyfob_admin.cli.exit_codes import Fault
from keyfob_admin.cli.options import Group, confirm, team_option, yes_option
from keyfob_admin.cli.output import say
from keyfob_admin.cli.times import now
from keyfob_admin.setup.seeding import Seeding, seed

if TYPE_CHECKING:
    from keyfob_admin.cli.context import Desk

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

    Each is admitted like any other key, by its own proof. But hashing a million secrets takes hours, so that all share
    one Argon2id hash, which is of another secret: where proofs are not in use (persist_proofs = false, or a ring entry
    marked lost) every one of them is refused. Use a database that you throw away.
    """

    async def work(desk: Desk) -> None:
        chosen = await _team(desk, team)
        if len(await desk.store.views(KeyQuery(team=None, now=now(), limit=2))) > 1:
            confirm(f"This database has keys already. Put {count} more into it, for measuring alone?", yes=yes)
        order = Seeding(
            count=count,
            team=chosen,
            actor=desk.actor,
            permissions=_permissions(desk, permissions),
            keep=shown,
        )
        for text in await _seeded(desk, order):
            click.echo(text)
        say(f"{count} keys are in the team {chosen} now; {min(shown, count)} of them were printed, this once.")

    at_desk(work)


async def _team(desk: Desk, team: str | None) -> str:
    """Give the team, which must be one whose api keys are admitted."""
    chosen = await desk.team_or_only(team)
    found = await desk.store.team(chosen)
    if found is not None and not desk.runtime.catalogue.allows(found.plan, _TYPE):
        raise Fault(f"the team {chosen} has the plan {found.plan}, under which api keys are refused; name another team")
    return chosen


def _permissions(desk: Desk, asked: tuple[str, ...]) -> tuple[str, ...]:
    strange = desk.runtime.catalogue.check_grants(_TYPE, asked)
    if strange:
        raise click.UsageError(
            f"no api key can hold {', '.join(strange)}; `keyfob permissions list` shows the catalogue"
        )
    return tuple(sorted(set(asked or desk.runtime.catalogue.permissions)))


async def _seeded(desk: Desk, order: Seeding) -> list[str]:
    runtime, settings = desk.runtime, desk.settings
    minter = Minter(desk.ring.signing, runtime.pool, runtime.parameters, settings.brand, settings.persist_proofs)
    progress = _tell if sys.stderr.isatty() else _say_nothing
    return await seed(desk.store, minter, order, now=now(), progress=progress)


def _tell(made: int) -> None:
    click.echo(f"\r{made} keys ", err=True, nl=False)


def _say_nothing(_: int) -> None:
    pass
