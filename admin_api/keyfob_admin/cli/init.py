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
from keyfob.management.validation import clean_email, clean_name, clean_team_id
from keyfob.policy.roles import OWNER
from keyfob.policy.roles_config import build_roles
from keyfob.runtime.configured import catalogue_of
from keyfob_admin.cli.context import open_context
from keyfob_admin.cli.exit_codes import Fault, sentence
from keyfob_admin.cli.options import DEFAULT_CONFIG, Command, as_json_option, config_named
from keyfob_admin.cli.output import print_json, say
from keyfob_admin.cli.times import now
from keyfob_admin.setup.config_template import starting_file
from keyfob_admin.setup.installer import install
from keyfob_admin.setup.presets import DEFAULT, PRESETS
from keyfob_admin.setup.private_files import ignore_secrets, open_private
from keyfob_admin.wire.links import DEFAULT_URL, invitation_address
from keyfob_admin.wire.presenters import KeyPresenter

if TYPE_CHECKING:
    from keyfob.config.settings import Settings
    from keyfob.management.key_creation import CreatedKey
    from keyfob_admin.setup.presets import Preset


@click.command(cls=Command)
@click.option("--team", default="default", show_default=True, metavar="TEAM", help="The id of the first team.")
@click.option("--admin", default="admin", show_default=True, metavar="NAME", help="The name of the first admin key.")
@click.option("--owner", metavar="EMAIL", help="Also invite the first owner, and print the link.")
@click.option("--for", "framework", type=click.Choice(list(PRESETS)), help="Also write the rules that it needs.")
@as_json_option
def init(*, team: str, admin: str, owner: str | None, framework: str | None, as_json: bool) -> None:
    """Write keyfob.toml, keyfob.keyring and the database, and print the first admin key, this once.

    A configuration, keyring or empty database that is there already is used as it is, so an init that was
    interrupted can be repeated.
    """
    clean_team_id(team, pointer="/--team")
    clean_name(admin, pointer="/--admin")
    address = None if owner is None else clean_email(owner, pointer="/--owner")
    path = config_named() or Path(DEFAULT_CONFIG)
    preset = PRESETS[framework] if framework else DEFAULT
    is_new = _write_config(path, preset)
    settings = load_settings(path, environ=os.environ)
    catalogue = catalogue_of(settings)  # before the key is made, which would be lost with what fails afterwards
    if address is not None:
        build_roles(settings.roles, catalogue)
    created = _install(settings, team, admin)
    link = None if address is None else asyncio.run(_invited(settings, team, address))
    _ignore_secrets(settings)
    shown = KeyPresenter(catalogue, settings.prefix, now()).key(created.view)
    if as_json:
        files = {"config": str(path), "keyring": str(settings.keyring or ""), "store": settings.shown_store}
        told = {} if link is None else {"invitation_url": link}
        print_json({**files, "team": team, "key": msgspec.to_builtins(shown), "secret": created.secret, **told})
        return
    _tell_files(path, preset, framework, is_new=is_new)
    say(f"{settings.keyring or 'KEYFOB_KEYRING_DATA'} holds the server's own keys: keep a copy, never commit it.")
    say(f"{shown.display} ({shown.name}) of team {team} may do everything. This is the only time the key is shown:")
    click.echo(created.secret)
    if link is not None:
        say(f"{address} is invited as owner. The link sets a passphrase, once, within 72 hours:")
        click.echo(link)
    say("Next: `keyfob keys create NAME --permission P`, `keyfob serve`, `keyfob doctor`.")


def _ignore_secrets(settings: Settings) -> None:
    try:
        ignore_secrets(settings)
    except OSError as error:
        say(f"{sentence(error)}. Keep the keyring and the database out of a repository yourself.")


def _tell_files(path: Path, preset: Preset, framework: str | None, *, is_new: bool) -> None:
    if is_new:
        say(f"{path} is new; look at [permissions] and [rules].")
        say(f"Open without a key: {', '.join(preset.public)} ({preset.because}).")
    else:
        ignored = f", so --for {framework} changed nothing in it" if framework else ""
        say(f"{path} was here already and is used as it is{ignored}; look at [permissions] and [rules].")


async def _invited(settings: Settings, team: str, address: str) -> str:
    """Invite the first owner, and return the link."""
    async with open_context(settings) as context:
        made = await context.runtime.people.invite(address, team=team, role=OWNER, actor=context.actor)
        return invitation_address((settings.admin.url or DEFAULT_URL).rstrip("/"), made.token or "")


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
