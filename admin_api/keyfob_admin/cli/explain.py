"""``keyfob explain``: why a request was refused, or would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.options import Command, as_json_option
from keyfob_admin.cli.output import moment, print_fields, print_json
from keyfob_admin.wire.explanations import shown_explanation

if TYPE_CHECKING:
    from keyfob_admin.cli.context import CliContext
    from keyfob_admin.wire.views import Explanation


@click.command(cls=Command)
@click.argument("request_id", required=False, metavar="[REQUEST_ID]")
@click.option("--key", metavar="ID", help="The key that would send the request.")
@click.option("--method", metavar="METHOD", help="Such as POST; WS for a WebSocket.")
@click.option("--path", metavar="PATH", help="Such as /items/7, as the rules see it.")
@click.option("--ip", metavar="ADDRESS", help="From where; without it addresses are not judged.")
@as_json_option
def explain(
    request_id: str | None, *, key: str | None, method: str | None, path: str | None, ip: str | None, as_json: bool
) -> None:
    """Say why a request was refused: REQUEST_ID, of the last hour; or one with --key, --method and --path would be."""
    described = (key, method, path)
    if (request_id is None) is (described == (None, None, None) and ip is None):
        raise click.UsageError("name either a REQUEST_ID, or --key, --method and --path")

    async def work(context: CliContext) -> None:
        explainer = context.runtime.explainer
        if request_id is not None:
            found = await explainer.refusal(request_id, actor=context.actor)
        elif key is None or method is None or path is None:
            raise click.UsageError("a request needs all of --key, --method and --path")
        else:
            found = await explainer.request(context.key_id(key), method, path, ip, actor=context.actor)
        shown = shown_explanation(found, context.settings.prefix)
        if as_json:
            print_json(shown)
        else:
            _print(shown)

    run_with_context(work)


def _print(shown: Explanation) -> None:
    refused = "" if shown.refused_at is None else f", {moment(shown.refused_at)}"
    print_fields(
        [
            ("request", f"{shown.method} {shown.path}{f' from {shown.ip}' if shown.ip else ''}"),
            ("outcome", f"{shown.outcome}{f': {shown.reason}' if shown.reason else ''}{refused}"),
            ("key", f"{shown.display} ({shown.name}), {shown.state}"),
            ("team", shown.team),
            ("rule", shown.rule or "none"),
            ("needs", ", ".join(shown.needed)),
            ("holds", ", ".join(shown.held)),
            ("lacks", ", ".join(shown.missing)),
            ("to change it", " ".join(shown.changes)),
        ]
    )
