"""``keyfob init``: a configuration, a keyring, a database and the first admin key."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from keyfob.config.settings import load_settings
from keyfob.errors import AlreadyInstalled, Invalid, KeyfobError
from keyfob.management.validation import clean_name, clean_team_id
from keyfob_admin.cli.context import catalogue_of
from keyfob_admin.cli.exit_codes import Fault, sentence
from keyfob_admin.cli.options import DEFAULT_CONFIG, Command, as_json_option, config_named
from keyfob_admin.cli.output import print_json, say
from keyfob_admin.cli.times import now
from keyfob_admin.setup.config_template import starting_file
from keyfob_admin.setup.installer import install
from keyfob_admin.wire.presenters import KeyPresenter

if TYPE_CHECKING:
    from keyfob.config.settings import Settings
    from keyfob.management.key_creation import CreatedKey


@click.command(cls=Command)
@click.option("--team", default="default", show_default=True, metavar="TEAM", help="The id of the first team.")
@click.option("--admin", default="admin", show_default=True, metavar="NAME", help="What the first admin key is called.")
@as_json_option
def init(*, team: str, admin: str, as_json: bool) -> None:
    """Write keyfob.toml, keyfob.keyring and the database, and print the first admin key, this once.

    A configuration, keyring or empty database that is there already is used as it is, so that an init that was cut
    short can be run again.
    """
    clean_team_id(team, pointer="/--team")
    clean_name(admin, pointer="/--admin")
    path = config_named() or Path(DEFAULT_CONFIG)
    is_new = _write_config(path)
    settings = load_settings(path, environ=os.environ)
    created = _install(settings, team, admin)
    shown = KeyPresenter(catalogue_of(settings), settings.prefix, now()).key(created.view)
    if as_json:
        files = {"config": str(path), "keyring": str(settings.keyring or ""), "store": settings.shown_store}
        print_json({**files, "team": team, "key": msgspec.to_builtins(shown), "secret": created.secret})
        return
    say(f"{path} {'is new' if is_new else 'was here already and is used as it is'}; look at [permissions] and [rules].")
    say(f"{settings.keyring or 'KEYFOB_KEYRING_DATA'} holds the server's own keys: keep a copy, never commit it.")
    say(f"{shown.display} ({shown.name}) of team {team} may do everything. This is the only time the key is shown:")
    click.echo(created.secret)
    say("Next: `keyfob keys create NAME --permission P`, `keyfob serve`, `keyfob doctor`.")


def _write_config(path: Path) -> bool:
    """Write the starting file unless there is a file. Answers whether it is new."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starting_file())
    except FileExistsError:
        return False
    return True


def _install(settings: Settings, team: str, admin: str) -> CreatedKey:
    """Make the rest; what is left behind if that fails can be gone on with."""
    try:
        return asyncio.run(install(settings, team=team, admin=admin))
    except (AlreadyInstalled, Invalid):
        raise
    except (KeyfobError, OSError) as error:
        raise Fault(
            f"{sentence(error)}. Fix that and run `keyfob init` again: it goes on with what is there"
        ) from error
