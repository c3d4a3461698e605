"""The command ``keyfob`` itself: what it is made of, and how each way of failing ends."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from keyfob_admin.cli.audit import audit
from keyfob_admin.cli.bench import bench
from keyfob_admin.cli.console import console
from keyfob_admin.cli.database import db
from keyfob_admin.cli.demo import demo
from keyfob_admin.cli.doctor.command import doctor
from keyfob_admin.cli.exit_codes import Exit, exit_of, sentence
from keyfob_admin.cli.explain import explain
from keyfob_admin.cli.import_keys import import_
from keyfob_admin.cli.init import init
from keyfob_admin.cli.keyring import keyring
from keyfob_admin.cli.keys.command import keys
from keyfob_admin.cli.notices import notices
from keyfob_admin.cli.options import Group
from keyfob_admin.cli.output import say
from keyfob_admin.cli.people import people
from keyfob_admin.cli.rules import rules
from keyfob_admin.cli.serve import log_config, serve
from keyfob_admin.cli.teams import permissions, teams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


NAME = "keyfob"  # whichever way it was started


class Program(Group):
    """A group that ends every failure that a user can cause with one line and an exit code."""

    def main(self, args: Sequence[str] | None = None, **settings: Any) -> NoReturn:  # type: ignore[override]  # noqa: ANN401 - click's
        """Run the command line, and leave the process."""
        _open_closed_streams()
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without Unicode shows what it can
        settings |= {"prog_name": NAME, "standalone_mode": False}
        try:
            status = super().main(args, **settings)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(Exit.USAGE)
        except BrokenPipeError:
            _forget_stdout()
            sys.exit(Exit.ERROR)
        except Exception as error:
            code = exit_of(error)
            if code is None:
                raise
            say(f"keyfob: {sentence(error)}")
            sys.exit(code)
        sys.exit(status if isinstance(status, int) else Exit.OK)


def _open_closed_streams() -> None:
    """Let a stream that was closed before we began (``<&-``) be an empty one: else the next file takes its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


def _forget_stdout() -> None:
    """Let the interpreter's last flush go nowhere, since nobody reads any more (``keyfob audit export | head``)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="keyfob", prog_name=NAME)
def main() -> None:
    """Issue, check and revoke API keys.

    Start with "keyfob init", or look around with "keyfob demo".
    Exit codes: 0 ok, 1 error, 2 usage, 3 check failed, 4 not found, 5 conflict.
    """


for _command in (
    init,
    demo,
    serve,
    console,
    keys,
    teams,
    people,
    permissions,
    rules,
    import_,
    explain,
    notices,
    audit,
    keyring,
    db,
    doctor,
    log_config,
    bench,
):
    main.add_command(_command)
