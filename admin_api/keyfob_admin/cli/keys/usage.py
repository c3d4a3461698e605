"""``keyfob keys usage``: how often a key was used, by which rules, from where, and why it was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from keyfob.management.key_usage import GROUPINGS, MOST_DAYS
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.options import Command, as_json_option
from keyfob_admin.cli.output import moment, print_json, print_table
from keyfob_admin.wire.key_usage import shown_days, shown_rows

if TYPE_CHECKING:
    from keyfob.management.key_usage import UsageRow
    from keyfob_admin.cli.context import CliContext
    from keyfob_admin.wire.key_usage import Grouping


@click.command(cls=Command)
@click.argument("key_id", metavar="ID")
@click.option("--by", type=click.Choice(GROUPINGS), help="Group the requests; without it they are counted by day.")
@click.option(
    "--days", type=click.IntRange(1, MOST_DAYS), default=30, show_default=True, metavar="N", help="How far back."
)
@as_json_option
def usage(key_id: str, *, by: Grouping | None, days: int, as_json: bool) -> None:
    """Show how the key ID was used: day by day, or by rule, client address or reason of denial."""

    async def work(context: CliContext) -> None:
        record = (await context.key(key_id)).record
        if by is None:
            await _by_day(context, record.team, record.id, days, as_json=as_json)
            return
        rows = await context.keys.usage.rows(record.team, record.id, by, days, actor=context.actor)
        if as_json:
            print_json(shown_rows(by, rows))
            return
        print_table(
            (by, "admitted", "denied", "limited", "first", "last"),
            [
                (row.label, str(row.admitted), str(row.denied), str(row.limited), moment(row.first), moment(row.last))
                for row in rows
            ],
            drop=("limited", "first"),
        )

    run_with_context(work)


def _cells(row: UsageRow) -> tuple[str, ...]:
    counts = map(str, (row.admitted, row.denied, row.limited))
    return row.label, *counts, moment(row.first), moment(row.last)


async def _by_day(context: CliContext, team: str, key_id: str, days: int, *, as_json: bool) -> None:
    found = await context.keys.usage.days(team, key_id, days, actor=context.actor)
    if as_json:
        print_json(shown_days(found))
    else:
        cells = [(str(day.day), str(day.admitted), str(day.denied), str(day.limited)) for day in found if day.total]
        print_table(("day", "admitted", "denied", "limited"), cells)
