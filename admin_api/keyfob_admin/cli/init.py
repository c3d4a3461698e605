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
from keyfob_admin.setup.presets import DEFAULT, PRESETS
from keyfob_admin.setup.private_files import ignore_secrets, open_private
from keyfob_admin.wire.presenters import KeyPresenter

if TYPE_CHECKING:
    from keyfob.config.settings import Settings
    from keyfob.management.key_creation import CreatedKey
    from keyfob_admin.setup.presets import Preset


@click.command(cls=Command)
@click.option("--team", default="default", show_default=True, metavar="TEAM", help="The id of the first team.")
@click.option("--admin", default="admin", show_default=True, metavar="NAME", help="The name of the first admin key.")
@click.option("--for", "framework", type=click.Choice(list(PRESETS)), help="Also write the rules that it needs.")
@as_json_option
def init(*, team: str, admin: str, framework: str | None, as_json: bool) -> None:
    """Write keyfob.toml, keyfob.keyring and the database, and print the first admin key, this once.

    A configuration, keyring or empty database that is there already is used as it is, so an init that was
    interrupted can be repeated.
    """
    clean_team_id(team, pointer="/--team")
    clean_name(admin, pointer="/--admin")
    path = config_named() or Path(DEFAULT_CONFIG)
    preset = PRESETS[framework] if framework else DEFAULT
    is_new = _write_config(path, preset)
    settings = load_settings(path, environ=os.environ)
    created = _install(settings, team, admin)
    ignore_secrets(settings)
    shown = KeyPresenter(catalogue_of(settings), settings.prefix, now()).key(created.view)
    if as_json:
        files = {"config": str(path), "keyring": str(settings.keyring or ""), "store": settings.shown_store}
        print_json({**files, "team": team, "key": msgspec.to_builtins(shown), "secret": created.secret})
        return
    if is_new:
        say(f"{path} is new; look at [permissions] and [rules].")
        say(f"Open without a key: {', '.join(preset.public)} ({preset.because}).")
    else:
        ignored = f", so --for {framework} changed nothing in it" if framework else ""
        say(f"{path} was here already and is used as it is{ignored}; look at [permissions] and [rules].")
    say(f"{settings.keyring or 'KEYFOB_KEYRING_DATA'} holds the server's own keys: keep a copy, never commit it.")
    say(f"{shown.display} ({shown.name}) of team {team} may do everything. This is the only time the key is shown:")
    click.echo(created.secret)
    say("Next: `keyfob keys create NAME --permission P`, `keyfob serve`, `keyfob doctor`.")


def _write_config(path: Path, preset: Preset) -> bool:
    """Write the starting file, readable to its owner alone, unless there is a file. Answers whether it is new."""
    text = starting_file(permissions=preset.permissions, rules=preset.rules, notes={preset.public[0]: preset.because})
    try:
        with open_private(path, "x") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _install(settings: Settings, team: str, admin: str) -> CreatedKey:
    """Make the rest; a second `init` continues with what a failure leaves behind."""
    try:
        return asyncio.run(install(settings, team=team, admin=admin))
    except (AlreadyInstalled, Invalid):
        raise
    except (KeyfobError, OSError) as error:
        raise Fault(
            f"{sentence(error)}. Fix that and run `keyfob init` again: it continues with what is there"
        ) from error
