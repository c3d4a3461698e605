"""``keyfob keys handover``, and the options with which ``keys create`` makes a key for somebody else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from keyfob.management.handover_link import DEFAULT_EXPIRY
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.options import Command, as_json_option, url_option
from keyfob_admin.cli.output import moment, print_json, say
from keyfob_admin.wire.links import DEFAULT_URL, handover_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.management.key_drafts import KeyDraft
    from keyfob.management.keys import CreatedKey
    from keyfob_admin.cli.context import CliContext

_expires_option = click.option(
    "--link-expires",
    "expires_in",
    default=DEFAULT_EXPIRY,
    show_default=True,
    metavar="72h",
    help="How long the link works: 10min to 30d.",
)


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How long the link of a new key works, and where the console answers."""

    expires_in: str
    url: str | None

    async def make(self, context: CliContext, team: str, draft: KeyDraft, *, replace: bool, as_json: bool) -> None:
        """Make the pending key, and print its link."""
        made = await context.keys.handovers.create(
            team, draft, expires_in=self.expires_in, actor=context.actor, replace=replace
        )
        tell_link(context, made, self.url, as_json=as_json)


def handover_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the options of a link that hands the new key over, as its argument *link*."""
    flag = click.option(
        "--handover", is_flag=True, help="Print a link, once; its button makes the secret, which only its holder sees."
    )

    @wraps(command)
    def with_link(*, handover: bool, expires_in: str, url: str | None, **others: Any) -> Any:  # noqa: ANN401 - click's
        is_default = click.get_current_context().get_parameter_source("expires_in") is ParameterSource.DEFAULT
        if not handover and (url is not None or not is_default):  # else the key, and not a link, would be printed
            raise click.UsageError("--link-expires and --url go with --handover")
        return command(link=LinkOptions(expires_in, url) if handover else None, **others)

    return flag(_expires_option(url_option(with_link)))


@click.command(cls=Command)
@click.argument("key_id", metavar="ID")
@_expires_option
@url_option
@as_json_option
def handover(key_id: str, *, expires_in: str, url: str | None, as_json: bool) -> None:
    """Print a new link for the pending key ID. The links before it stop working."""

    async def work(context: CliContext) -> None:
        record = (await context.key(key_id)).record
        made = await context.keys.handovers.renew(record.team, record.id, expires_in=expires_in, actor=context.actor)
        tell_link(context, made, url, as_json=as_json)

    run_with_context(work)


def tell_link(context: CliContext, made: CreatedKey, url: str | None, *, as_json: bool) -> None:
    """Give the link to stdout, and the words to stderr."""
    base = (url or context.settings.admin.url or DEFAULT_URL).rstrip("/")
    shown = context.shown().offered(made, lambda token: handover_address(base, token))
    if as_json:
        print_json(shown)
        return
    say(f"{shown.key.display}  {shown.key.name} (team {shown.key.team}) is pending: it has no secret yet.")
    if made.link is not None:
        say(f"Send this link. It shows the secret once, until {moment(made.link.expires_at)}:")
    click.echo(shown.handover_url)
