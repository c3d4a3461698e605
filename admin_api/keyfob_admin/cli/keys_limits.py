"""``keyfob keys limits``: where a key's limits stand, and how they are changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from keyfob.policy.lifetimes import HOW, read_length
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.options import Command, as_json_option
from keyfob_admin.cli.output import moment, print_json, print_table, say
from keyfob_admin.wire.key_limits import shown_limits

if TYPE_CHECKING:
    from keyfob_admin.cli.context import CliContext


@click.command(cls=Command)
@click.argument("key_id", metavar="ID")
@click.option("--set", "names", multiple=True, metavar="NAME", help="Give it these limits of its own; repeat it.")
@click.option("--plan", "as_plan", is_flag=True, help="Give it the limits of its plan again.")
@click.option("--raise", "factor", type=float, metavar="FACTOR", help="Multiply what may pass, for a while.")
@click.option("--for", "length", default="24h", show_default=True, metavar="24h", help=f"For how long: {HOW}.")
@click.option("--no-raise", is_flag=True, help="End that now.")
@as_json_option
def limits(
    key_id: str,
    *,
    names: tuple[str, ...],
    as_plan: bool,
    factor: float | None,
    length: str,
    no_raise: bool,
    as_json: bool,
) -> None:
    """Show where the limits of the key ID stand, after the change that options ask for."""
    if names and as_plan:
        raise click.UsageError("--set and --plan contradict each other")
    if factor is not None and no_raise:
        raise click.UsageError("--raise and --no-raise contradict each other")
    patch: dict[str, object] = {"limits": list(names)} if names or as_plan else {}
    if factor is not None:
        patch["limits_raised"] = {"until": _end(length), "factor": factor}
    elif no_raise:
        patch["limits_raised"] = None

    async def work(context: CliContext) -> None:
        record = (await context.key(key_id)).record
        if patch:
            record = (await context.keys.update(record.team, record.id, patch, actor=context.actor)).record
        found = await context.runtime.standings.of(record.team, record.id, actor=context.actor)
        if as_json:
            print_json(shown_limits(found))
            return
        print_table(
            ("limit", "may pass", "in seconds", "left", "window ends"),
            [(one.name, str(one.amount), str(one.seconds), str(one.remaining), moment(one.reset_at)) for one in found],
        )
        raised = record.limits_raised
        if raised is not None and raised.until > datetime.now(UTC):
            say(f"Raised {raised.factor:g} times until {moment(raised.until)}.")

    run_with_context(work)


def _end(length: str) -> datetime:
    try:
        return datetime.now(UTC) + read_length(length)
    except (ValueError, OverflowError):
        raise click.UsageError(f"--for must be {HOW}") from None
