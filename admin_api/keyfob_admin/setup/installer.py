"""From a configuration to an installation: whatever is missing of ring and database, and the first admin key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.errors import AlreadyInstalled, ConfigError, NotMigrated
from keyfob.keyring.file import load_ring, write_ring
from keyfob.keyring.keyring import Ring
from keyfob.keys.hash_pool import Argon2Pool
from keyfob.keys.hashing import Argon2Parameters
from keyfob.management.bootstrap import bootstrap
from keyfob.management.key_issuer import Minter
from keyfob.management.validation import clean_name, clean_team_id
from keyfob.store.opening import open_store

if TYPE_CHECKING:
    from keyfob.config.settings import Settings
    from keyfob.keyring.keyring import RingKey
    from keyfob.management.key_creation import Minted

_SQLITE = "sqlite:///"


async def install(settings: Settings, *, team: str, admin: str) -> Minted:
    """Make the ring and the database where they are missing, then the team and its first admin key.

    Nothing is made before all that can be known to be wrong was looked at, and a call that was cut short can be made
    again: it goes on with what is there.

    Raises:
        AlreadyInstalled: the database has a team already.
        Invalid: the team's id or the key's name is not acceptable.
        ConfigError: the ring or the database cannot be made or used.

    """
    clean_team_id(team, pointer="/team")
    clean_name(admin, pointer="/admin")
    await refuse_second(settings)
    entry = _ring_of(settings).newest
    pool = Argon2Pool(threads=1)
    parameters = Argon2Parameters(settings.argon2["memory_kib"], settings.argon2["time"])
    mint = Minter(lambda: entry, pool, parameters, settings.brand, settings.persist_proofs)
    try:
        return await _first_key(settings, mint, entry, team, admin)
    finally:
        pool.close()


async def refuse_second(settings: Settings) -> None:
    """Raise AlreadyInstalled if the database has a team already. A database that is missing has none."""
    url = _url(settings)
    if url.startswith(_SQLITE) and not _has_content(Path(url.removeprefix(_SQLITE))):
        return
    store = open_store(url)
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


async def _first_key(settings: Settings, mint: Minter, entry: RingKey, team: str, admin: str) -> Minted:
    store = open_store(_url(settings), seal_with=lambda: entry, create=True)
    try:
        return await bootstrap(store, mint, entry, now=lambda: datetime.now(UTC), team_id=team, admin_name=admin)
    finally:
        await store.close()


def _ring_of(settings: Settings) -> Ring:
    """Give the ring that is configured, made if its file is missing."""
    if settings.ring_data is not None:
        return Ring.parse(settings.ring_data)
    if settings.ring is None:
        raise ConfigError("no ring is named; write ring under [store], or set KEYFOB_RING")
    if not settings.ring.exists():
        write_ring(settings.ring, Ring.new(datetime.now(UTC)))
    return load_ring(settings.ring)


def _url(settings: Settings) -> str:
    if settings.store is None:
        raise ConfigError("no store is named; write url under [store], or set KEYFOB_STORE_URL")
    return settings.store
