"""``keyfob notices``: who is told of what, what has not arrived, and a test of every receiver."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import click

from keyfob.errors import NotFound
from keyfob.notices.delivery import Courier
from keyfob.notices.webhook import NotDelivered
from keyfob.store.contract.notices import Notice
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.exit_codes import Exit
from keyfob_admin.cli.options import Command, Group, as_json_option
from keyfob_admin.cli.output import moment, print_json, print_table, say

if TYPE_CHECKING:
    from keyfob.store.contract.notices import Delivery
    from keyfob_admin.cli.context import CliContext


@click.group(cls=Group)
def notices() -> None:
    """See and test what webhooks, people and logs are told."""


@notices.command("list", cls=Command)
@as_json_option
def list_(*, as_json: bool) -> None:
    """List deliveries that wait, are tried again, or were given up; the newest first. They are kept for three days."""

    async def work(context: CliContext) -> None:
        found = await context.store.notices.unfinished()
        if as_json:
            print_json({"deliveries": [_as_json(one) for one in found]})
            return
        rows = [
            (
                one.notice.id,
                one.notice.event,
                moment(one.notice.at),
                one.target,
                str(one.attempts),
                moment(one.due_at, "given up"),
                one.error or "",
            )
            for one in found
        ]
        head = ("notice", "event", "at", "receiver", "attempts", "next", "error")
        print_table(head, rows, whole=("event",), drop=("at", "notice"))

    run_with_context(work)


@notices.command(cls=Command)
@as_json_option
def test(*, as_json: bool) -> None:
    """Send a test notice to every receiver now. Exit code 3 if one does not take it."""
    outcomes: dict[str, str | None] = {}

    async def work(context: CliContext) -> None:
        settings = context.settings
        if not settings.notices:
            raise NotFound("no receiver is configured; write [[notices]] into the configuration")
        courier = Courier(context.store, settings.notices, settings.smtp, context.runtime.now)
        notice = Notice(f"evt_{secrets.token_hex(12)}", "test", context.runtime.now(), {"by": "keyfob notices test"})
        for receiver in settings.notices:
            try:
                await courier.send(notice, receiver.target)
            except NotDelivered as why:
                outcomes[receiver.target] = str(why)
            else:
                outcomes[receiver.target] = None

    run_with_context(work)
    if as_json:
        print_json({"receivers": [{"receiver": name, "error": error} for name, error in outcomes.items()]})
    else:
        print_table(("receiver", "outcome"), [(name, error or "delivered") for name, error in outcomes.items()])
    if any(outcomes.values()):
        click.get_current_context().exit(Exit.CHECK_FAILED)


@notices.command(cls=Command)
@as_json_option
def retry(*, as_json: bool) -> None:
    """Let `keyfob serve` try every delivery now that waits or was given up."""

    async def work(context: CliContext) -> None:
        count = await context.store.notices.retry(context.runtime.now())
        if as_json:
            print_json({"deliveries": count})
        else:
            say(f"{count} {'delivery is' if count == 1 else 'deliveries are'} due now.")

    run_with_context(work)


def _as_json(one: Delivery) -> dict[str, object]:
    return {
        "notice": one.notice.id,
        "event": one.notice.event,
        "at": one.notice.at,
        "receiver": one.target,
        "attempts": one.attempts,
        "next": one.due_at,
        "error": one.error,
    }
