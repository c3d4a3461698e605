"""From a configuration to an installation: whatever is missing of keyring and database, and the first admin key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keyfob.config.keyring_source import keyring_of
from keyfob.errors import AlreadyInstalled, ConfigError, NotMigrated
from keyfob.keyring.file import write_keyring
from keyfob.keyring.keyring import Keyring
from keyfob.keys.hash_pool import Argon2Pool
from keyfob.management.bootstrap import bootstrap
from keyfob.management.validation import clean_name, clean_team_id
from keyfob.runtime.configured import issuer_of
from keyfob.store.opening import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.config.settings import Settings
    from keyfob.keyring.keyring import SigningKey
    from keyfob.management.key_creation import CreatedKey
    from keyfob.management.key_issuer import KeyIssuer


async def install(settings: Settings, *, team: str, admin: str) -> CreatedKey:
    """Make the keyring and the database where they are missing, then the team and its first admin key.

    Nothing is made before all that can be known to be wrong was looked at, and a call that was cut short can be made
    again: it goes on with what is there.

    Raises:
        AlreadyInstalled: the database has a team already.
        Invalid: the team's id or the key's name is not acceptable.
        ConfigError: the keyring or the database cannot be made or used.

    """
    clean_team_id(team, pointer="/team")
    clean_name(admin, pointer="/admin")
    await refuse_second(settings)
    entry = _made_keyring(settings).newest
    pool = Argon2Pool(threads=1)
    issue = issuer_of(settings, signing=lambda: entry, pool=pool)
    try:
        return await _first_key(settings, issue, entry, team, admin)
    finally:
        pool.close()


async def refuse_second(settings: Settings) -> None:
    """Raise AlreadyInstalled if the database has a team already. A database that is missing has none."""
    where = settings.store_url
    if where is not None and where.path is not None and not _has_content(where.path):
        return
    store = open_store(_url(settings))
    try:
        teams = await store.teams()
    except NotMigrated:
        teams = []
    finally:
        await store.close()
    if teams:
        raise AlreadyInstalled(
            "this installation is complete already, and nothing was changed; "
            "`keyfob keys create NAME --type admin --permission '*'` makes another admin key"
        )


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


async def _first_key(settings: Settings, issue: KeyIssuer, entry: SigningKey, team: str, admin: str) -> CreatedKey:
    store = open_store(_url(settings), audit_key=lambda: entry, create=True)
    try:
        return await bootstrap(store, issue, entry, now=lambda: datetime.now(UTC), team_id=team, admin_name=admin)
    finally:
        await store.close()


def _made_keyring(settings: Settings) -> Keyring:
    """Read the configured keyring, and write a new one first if its file is missing."""
    if settings.keyring_data is None and settings.keyring is not None and not settings.keyring.exists():
        write_keyring(settings.keyring, Keyring.new(datetime.now(UTC)))
    return keyring_of(settings)


def _url(settings: Settings) -> str:
    if settings.store is None:
        raise ConfigError("no store is named; write url under [store], or set KEYFOB_STORE_URL")
    return settings.store
