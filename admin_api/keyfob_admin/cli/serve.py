"""``keyfob serve``: the admin API, the console and forward-auth in a process of their own, or several."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from keyfob_admin.cli.context import needed_settings, run_with_context
from keyfob_admin.cli.exit_codes import Fault
from keyfob_admin.cli.options import Command, host_option
from keyfob_admin.cli.output import say

if TYPE_CHECKING:
    import socket

    from keyfob_admin.cli.context import CliContext

MOST_WORKERS = 256


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), default=8700, show_default=True, help="0 takes any free one.")
@host_option
@click.option("--workers", type=click.IntRange(1, MOST_WORKERS), default=1, show_default=True, help="Processes.")
def serve(*, port: int, host: str, workers: int) -> None:
    """Serve the admin API, the console and forward-auth until Ctrl-C."""
    from keyfob_admin import server  # noqa: PLC0415 - other commands need no uvicorn

    settings = needed_settings()
    if settings.mode != "enforce":
        raise Fault('the admin API cannot run with mode = "observe"; set it to "enforce" under [middleware]')
    if settings.path is not None:
        os.environ["KEYFOB_CONFIG"] = str(settings.path)  # for the workers
    run_with_context(_is_usable)
    with take_port(host, port) as taken:
        where = server.url_of(taken)

        def ready() -> None:
            say(f"The console answers at {where}, the admin API at {where}/v1 (Ctrl-C stops)")

        if workers > 1:
            ready()
            has_started = server.run_workers(taken, workers=workers)
        else:
            has_started = server.run(server.application(), taken, ready=ready)
    if not has_started:
        raise Fault("the server did not start; `keyfob doctor` looks for the cause")


async def _is_usable(_: CliContext) -> None:
    """Do nothing: that the installation could be opened is what had to be known."""


def take_port(host: str, port: int) -> socket.socket:
    """Listen on *port* of *host*. Raises Fault naming both."""
    from keyfob_admin import server  # noqa: PLC0415 - as above

    try:
        return server.listening(host, port)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Fault(f"cannot listen on port {port} of {host}: {why}. Choose another one with --port") from None
