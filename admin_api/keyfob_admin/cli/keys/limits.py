"""``keyfob keys limits``: where a key's limits stand, and how they are changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict, Unpack

import click
from click.core import ParameterSource

from keyfob.policy.lifetimes import HOW, read_length
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.options import Command, as_json_option
from keyfob_admin.cli.output import moment, print_json, print_table, say
from keyfob_admin.wire.key_limits import shown_limits

if TYPE_CHECKING:
    from keyfob.management.key_standings import QuotaStanding
    from keyfob_admin.cli.context import CliContext


class _Asked(TypedDict):
    """The options that change the key's row."""

    names: tuple[str, ...]
    as_plan: bool
    factor: float | None
    length: str
    no_raise: bool
    quota: str | None


@click.command(cls=Command)
@click.argument("key_id", metavar="ID")
@click.option("--set", "names", multiple=True, metavar="NAME", help="Give it these limits of its own; repeat it.")
@click.option("--plan", "as_plan", is_flag=True, help="Give it the limits of its plan again.")
@click.option("--raise", "factor", type=float, metavar="FACTOR", help="Multiply what may pass, for a while.")
@click.option("--for", "length", default="24h", show_default=True, metavar="24h", help=f"For how long: {HOW}.")
@click.option("--no-raise", is_flag=True, help="End that now.")
@click.option("--quota", metavar="10000/month", help="Give it a quota of its own, or `plan` for its plan's again.")
@click.option("--add-quota", "add", type=int, metavar="N", help="Let it use N more until the period ends, or less.")
@click.option("--set-quota", "set_to", type=int, metavar="N", help="Let it use N in all until the period ends.")
@as_json_option
def limits(key_id: str, *, add: int | None, set_to: int | None, as_json: bool, **asked: Unpack[_Asked]) -> None:
    """Show where the limits and quotas of the key ID stand, after the change that options ask for."""
    if add is not None and set_to is not None:
        raise click.UsageError("--add-quota and --set-quota contradict each other")
    patch = _patch(asked)

    async def work(context: CliContext) -> None:
        record = (await context.key(key_id)).record
        if patch:
            record = (await context.keys.update(record.team, record.id, patch, actor=context.actor)).record
        if add is not None or set_to is not None:
            quotas = context.keys.quotas
            view, _ = await quotas.adjust(record.team, record.id, add=add, set_to=set_to, actor=context.actor)
            record = view.record
        standings = context.runtime.standings
        found = await standings.of(record.team, record.id, actor=context.actor)
        stand = await standings.quotas(record.team, record.id, actor=context.actor)
        if as_json:
            print_json(shown_limits(found, stand))
            return
        rows = [
            (one.name, str(one.amount), str(one.seconds), str(one.remaining), moment(one.reset_at)) for one in found
        ]
        print_table(
            ("limit", "may pass", "in seconds", "left", "window ends"),
            [*rows, *(_row(one) for one in stand if one is not None)],
        )
        raised = record.limits_raised
        if raised is not None and raised.until > datetime.now(UTC):
            say(f"Raised {raised.factor:g} times until {moment(raised.until)}.")

    run_with_context(work)


def _patch(asked: _Asked) -> dict[str, object]:
    """Give what the options change of the key."""
    names, as_plan, factor = asked["names"], asked["as_plan"], asked["factor"]
    if names and as_plan:
        raise click.UsageError("--set and --plan contradict each other")
    if factor is not None and asked["no_raise"]:
        raise click.UsageError("--raise and --no-raise contradict each other")
    is_default = click.get_current_context().get_parameter_source("length") is ParameterSource.DEFAULT
    if factor is None and not is_default:
        raise click.UsageError("--for goes with --raise")
    patch: dict[str, object] = {"limits": list(names)} if names or as_plan else {}
    if factor is not None:
        patch["limits_raised"] = {"until": _end(asked["length"]), "factor": factor}
    elif asked["no_raise"]:
        patch["limits_raised"] = None
    if asked["quota"] is not None:
        patch["quota"] = _quota(asked["quota"])
    return patch


def _quota(text: str) -> dict[str, object] | None:
    if text == "plan":
        return None
    amount, _, every = text.partition("/")
    if not (amount.isascii() and amount.isdigit()):
        raise click.UsageError("--quota must be an amount and a period, such as 10000/month, or plan")
    return {"amount": int(amount[:20]), "every": every}


def _row(one: QuotaStanding) -> tuple[str, ...]:
    seconds, left = one.period.ends - one.period.begins, max(0, one.amount - one.used)
    return one.name, str(one.amount), str(seconds), str(left), moment(one.period.end)


def _end(length: str) -> datetime:
    try:
        return datetime.now(UTC) + read_length(length)
    except (ValueError, OverflowError):
        raise click.UsageError(f"--for must be {HOW}") from None
