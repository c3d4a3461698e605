"""What a command works on: the installation that the configuration names, opened for this one command."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keyfob.config.settings import load_settings
from keyfob.errors import ConfigError, NotFound
from keyfob.keys.format import display, key_id_of
from keyfob.management.actor import Actor
from keyfob.runtime.runtime import Runtime
from keyfob_admin.cli.exit_codes import Fault
from keyfob_admin.cli.options import DEFAULT_CONFIG, config_named
from keyfob_admin.cli.times import now
from keyfob_admin.wire.presenters import KeyPresenter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from keyfob.config.settings import Settings
    from keyfob.keyring.active import ActiveKeyring
    from keyfob.keys.record import KeyRecord
    from keyfob.management.keys import KeyLifecycle, KeySearch
    from keyfob.management.teams import Teams
    from keyfob.store.contract.key_store import KeyStore, KeyView


WHOLE_KEY = (
    "this is a whole key; give only its id, the 16 characters before the last _. Your shell keeps what you typed in "
    "its history, so replace that key if it is in use"
)


WHOLE_FOREIGN_KEY = (
    "this is a whole key of the kind that was imported; `keyfob keys find -` reads it from stdin and shows its id. "
    "Your shell keeps what you typed in its history, so replace that key if it is in use"
)


@dataclass(frozen=True, slots=True)
class CliContext:
    """An installation, opened for one command. Whoever runs the command may do everything."""

    runtime: Runtime
    actor: Actor

    @property
    def settings(self) -> Settings:
        """What is configured."""
        return self.runtime.settings

    @property
    def store(self) -> KeyStore:
        """The database."""
        return self.runtime.store

    @property
    def keys(self) -> KeyLifecycle:
        """What can be done with keys."""
        return self.runtime.lifecycle

    @property
    def teams(self) -> Teams:
        """What can be done with teams."""
        return self.runtime.teams

    @property
    def keyring(self) -> ActiveKeyring:
        """The server's keys, under what the database says of them."""
        return self.runtime.keyring

    def shown(self) -> KeyPresenter:
        """How keys look now."""
        return KeyPresenter(self.runtime.catalogue, self.settings.prefix, now())

    def display(self, record: KeyRecord) -> str:
        """Write a key as people see it."""
        return display(record.key_type, record.id, self.settings.prefix)

    def key_id(self, text: str) -> str:
        """Read a key's id, in either form. Raises NotFound, and UsageError for a whole key."""
        found = key_id_of(text, self.settings.prefix)
        forms = self.runtime.foreign_forms
        if found is None and forms is not None and forms.fits(text.encode("utf-8", "replace")):
            raise click.UsageError(WHOLE_FOREIGN_KEY)
        if found is None:
            raise NotFound(
                f"{text!r} is not a key's id: an id is 16 characters, alone or after {self.settings.prefix}_<type>_"
            )
        if not text.endswith(found):
            raise click.UsageError(WHOLE_KEY)
        return found

    async def key(self, text: str) -> KeyView:
        """Find the key that *text* names. Raises NotFound."""
        view = await self.store.view(self.key_id(text))
        if view is None:
            raise NotFound(f"there is no key {self.key_id(text)}; `keyfob keys list` shows those that there are")
        return view

    async def team_or_only(self, team: str | None) -> str:
        """Give *team*, or the only one that there is."""
        teams = [known.id for known in await self.store.teams()]
        if team is None and len(teams) == 1:
            return teams[0]
        if not teams:
            raise NotFound("there is no team yet; make one with `keyfob teams create ID`")
        if team is None:
            raise click.UsageError(f"there are several teams; name one with --team: {', '.join(teams)}")
        if team not in teams:
            raise NotFound(f"there is no team {team!r}; `keyfob teams list` shows those that there are")
        return team

    async def all_keys(self, search: KeySearch) -> list[KeyView]:
        """List all keys that *search* finds, page by page."""
        found: list[KeyView] = []
        while True:
            page = await self.keys.list_keys(search, actor=self.actor)
            found += page.items
            if page.next_token is None:
                return found
            search = replace(search, page_token=page.next_token)


def run_with_context(work: Callable[[CliContext], Awaitable[None]], *, check_keyring: bool = True) -> None:
    """Open the installation that the configuration names, do *work* there, and close it."""
    asyncio.run(_run_with_context(needed_settings(), work, check_keyring=check_keyring))


async def _run_with_context(
    settings: Settings, work: Callable[[CliContext], Awaitable[None]], *, check_keyring: bool
) -> None:
    async with open_context(settings, check_keyring=check_keyring) as context:
        await work(context)


@asynccontextmanager
async def open_context(settings: Settings, *, check_keyring: bool = True) -> AsyncIterator[CliContext]:
    """Open the installation that *settings* describe.

    Raises:
        ConfigError: the keyring is not the one the database knows; unless that is not to be checked.
        StoreUnavailable: the database cannot be read.
    """
    runtime = Runtime(settings)
    log = logging.getLogger("keyfob")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)  # the command reports a failure once, by itself
    try:
        await runtime.freshness.ensure()
        if check_keyring:
            runtime.keyring.check()
        yield CliContext(runtime, Actor.command_line(login_name()))
    finally:
        await runtime.stop()
        log.setLevel(before)


def login_name() -> str:
    """Name the account that runs this command, for the audit log. The environment has no say: it can be set."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user without a name
        return f"uid {uid}"
    return name if name.isprintable() else f"uid {uid}"


def settings_if_any() -> Settings | None:
    """Read the configuration if one is named, or lies in this folder, or is in the environment."""
    path = config_named() or (Path(DEFAULT_CONFIG) if Path(DEFAULT_CONFIG).exists() else None)
    if path is None and "KEYFOB_STORE_URL" not in os.environ:
        return None
    return load_settings(path, environ=os.environ)


def needed_settings() -> Settings:
    """Read the configuration. Raises Fault if there is none, ConfigError if it cannot work."""
    settings = settings_if_any()
    if settings is None:
        raise Fault(f"there is no {DEFAULT_CONFIG} here; `keyfob init` writes one, or name yours with --config")
    if settings.store is None:
        raise ConfigError("no store is named; write url under [store], or set KEYFOB_STORE_URL")
    return settings
