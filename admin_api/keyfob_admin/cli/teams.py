"""``keyfob teams`` and ``keyfob permissions``: who holds keys, and what can be granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from keyfob.runtime.configured import catalogue_of
from keyfob_admin.cli.context import needed_settings, run_with_context
from keyfob_admin.cli.options import Group, as_json_option
from keyfob_admin.cli.output import print_json, print_table, say
from keyfob_admin.wire.presenters import shown_team

if TYPE_CHECKING:
    from keyfob.keys.record import Team
    from keyfob_admin.cli.context import CliContext


@click.group(cls=Group)
def teams() -> None:
    """Teams, and what their plans let them hold."""


@teams.command("list")
@as_json_option
def list_teams(*, as_json: bool) -> None:
    """List all teams."""

    async def work(context: CliContext) -> None:
        found = await context.teams.list(actor=context.actor)
        if as_json:
            print_json({"teams": [shown_team(team) for team in found]})
        else:
            print_table(("id", "name", "plan"), [(team.id, team.name, team.plan) for team in found])

    run_with_context(work)


@teams.command()
@click.argument("team_id", metavar="ID")
@click.option("--name", metavar="NAME", help="As people read it. Without it: the id.")
@click.option(
    "--plan", metavar="PLAN", default="enterprise", show_default=True, help="Which types of key the team may hold."
)
@as_json_option
def create(team_id: str, *, name: str | None, plan: str, as_json: bool) -> None:
    """Create a team called ID: lower-case letters, digits and hyphens."""

    async def work(context: CliContext) -> None:
        team = await context.teams.create(team_id, name=name, plan=plan, actor=context.actor)
        _tell(team, f"was created; its name is {team.name}", as_json=as_json)

    run_with_context(work)


@teams.command("set-plan")
@click.argument("team_id", metavar="ID")
@click.argument("plan")
@as_json_option
def set_plan(team_id: str, plan: str, *, as_json: bool) -> None:
    """Give the team ID another PLAN. Keys of types that it lacks are suspended until a plan includes them again."""

    async def work(context: CliContext) -> None:
        team = await context.teams.update(await context.team_or_only(team_id), {"plan": plan}, actor=context.actor)
        _tell(team, f"has the plan {team.plan} now", as_json=as_json)

    run_with_context(work)


@teams.command()
@click.argument("team_id", metavar="ID")
@click.argument("name")
@as_json_option
def rename(team_id: str, name: str, *, as_json: bool) -> None:
    """Give the team ID another NAME, as people read it. Its id stays."""

    async def work(context: CliContext) -> None:
        team = await context.teams.update(await context.team_or_only(team_id), {"name": name}, actor=context.actor)
        _tell(team, f"is called {team.name} now", as_json=as_json)

    run_with_context(work)


@teams.command()
@click.argument("team_id", metavar="ID")
@as_json_option
def delete(team_id: str, *, as_json: bool) -> None:
    """Delete the team ID, which has neither keys nor people. Its id is not given again."""

    async def work(context: CliContext) -> None:
        team = await context.teams.delete(team_id, actor=context.actor)
        _tell(team, "is deleted", as_json=as_json)

    run_with_context(work)


def _tell(team: Team, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(shown_team(team))
    else:
        say(f"The team {team.id} {what}.")


@click.group(cls=Group)
def permissions() -> None:
    """What can be granted to a key."""


@permissions.command("list")
@as_json_option
def list_permissions(*, as_json: bool) -> None:
    """List the catalogue."""
    catalogue = catalogue_of(needed_settings())
    if as_json:
        print_json({"permissions": [{"name": name, "label": label} for name, label in catalogue.permissions.items()]})
    else:
        print_table(("permission", "label"), list(catalogue.permissions.items()))
