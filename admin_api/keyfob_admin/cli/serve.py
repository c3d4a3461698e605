"""``keyfob serve``: the admin API, the console and forward-auth in a process of their own, or several."""

from __future__ import annotations

import json
import logging
import os
from functools import partial
from typing import TYPE_CHECKING

import click

from keyfob.config.log_format import logging_config
from keyfob_admin.cli.context import needed_settings, run_with_context
from keyfob_admin.cli.exit_codes import Fault
from keyfob_admin.cli.options import Command, host_option
from keyfob_admin.cli.output import say

if TYPE_CHECKING:
    import socket

    from keyfob.config.log_format import Form
    from keyfob_admin.cli.context import CliContext

MOST_WORKERS = 256
NO_OWNER = "No owner has signed in yet: `keyfob people invite EMAIL --role owner` prints a link for the first one"
FORMS = click.Choice(["text", "json"])


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), default=8700, show_default=True, help="0 takes any free one.")
@host_option
@click.option("--workers", type=click.IntRange(1, MOST_WORKERS), default=1, show_default=True, help="Processes.")
@click.option("--log-format", "form", type=FORMS, help="Write the log, the first line included, as text or JSON.")
def serve(*, port: int, host: str, workers: int, form: Form | None) -> None:
    """Serve the admin API, the console and forward-auth until Ctrl-C."""
    from keyfob_admin import server  # noqa: PLC0415 - other commands need no uvicorn

    settings = needed_settings()
    if settings.mode != "enforce":
        raise Fault('the admin API cannot run with mode = "observe"; set it to "enforce" under [middleware]')
    if settings.path is not None:
        os.environ["KEYFOB_CONFIG"] = str(settings.path)  # for the workers
    lacks_owner = _lacks_owner()
    with take_port(host, port) as taken:
        ready = partial(_tell, _where(taken, settings.admin.url), form, lacks_owner=lacks_owner)
        if workers > 1:
            has_started = server.run_workers(taken, workers=workers, ready=ready, form=form or "text")
        else:
            has_started = server.run(server.application(), taken, ready=ready, form=form or "text")
    if not has_started:
        raise Fault("the server did not start; `keyfob doctor` looks for the cause")


def _where(taken: socket.socket, configured: str | None) -> str:
    """Say at which address people reach what *taken* serves."""
    from keyfob_admin import server  # noqa: PLC0415 - as above

    host, port = taken.getsockname()[:2]
    if not server.is_everywhere(taken):
        where = configured or server.url_of(taken)
        return f"The console answers at {where}, the admin API at {where}/v1 (Ctrl-C stops)"
    where = configured or server.outward_url_of(taken)
    everywhere = f"Listening on port {port} of every address of this machine ({host})"
    return f"{everywhere}. The console answers at {where}, the admin API at {where}/v1 (Ctrl-C stops)"


def _tell(words: str, form: Form | None, *, lacks_owner: bool) -> None:
    """Say that requests are answered, and how to make the first owner: to a person, or in the log."""
    if form is None:
        say(words)
        if lacks_owner:
            say(NO_OWNER)
        return
    log = logging.getLogger("keyfob")
    log.info(words, extra={"event": "serving"})
    if lacks_owner:
        log.info(NO_OWNER, extra={"event": "no_owner"})


def _lacks_owner() -> bool:
    """Open the installation, which is a test of it, and tell whether people sign in but no owner has done so yet."""
    found = []

    async def work(context: CliContext) -> None:
        found.append(bool(context.settings.people.sign_in) and not await context.store.people.owners())

    run_with_context(work)
    return found[0]


def take_port(host: str, port: int) -> socket.socket:
    """Listen on *port* of *host*. Raises Fault naming both."""
    from keyfob_admin import server  # noqa: PLC0415 - as above

    try:
        return server.listening(host, port)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Fault(f"cannot listen on port {port} of {host}: {why}. Choose another one with --port") from None


@click.command("log-config", cls=Command)
@click.option("--log-format", "form", type=FORMS, default="text", show_default=True, help="How each line looks.")
def log_config(*, form: Form) -> None:
    """Print a logging configuration for uvicorn, in which Keyfob's refusals and warnings appear.

    Use it as in: keyfob log-config > log.json; uvicorn app:app --log-config log.json
    """
    click.echo(json.dumps(logging_config(form), indent=2))
