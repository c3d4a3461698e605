"""Where the database is, and the way there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from keyfob.errors import ConfigError
from keyfob.store.url import shown_url

if TYPE_CHECKING:
    from asyncpg import Connection

_LISTEN = "listen="


@dataclass(frozen=True, slots=True)
class Address:
    """What a store's URL says: where to connect, and whether a connection of its own waits for notifications."""

    dsn: str = field(repr=False)
    shown: str
    listens: bool


def read_address(url: str) -> Address:
    """Understand *url*, which may end in ``?listen=off``. Raises ConfigError."""
    dsn = url.replace("postgres://", "postgresql://", 1)
    try:
        query = urlsplit(dsn).query
    except ValueError as error:
        raise ConfigError("store url names a host that can't be read") from error
    entries = query.split("&") if query else []
    asked = [entry.removeprefix(_LISTEN) for entry in entries if entry.startswith(_LISTEN)]
    if set(asked) - {"on", "off"}:
        raise ConfigError("listen in the store url must be on or off, as in postgresql://user@host/db?listen=off")
    others = "&".join(entry for entry in entries if not entry.startswith(_LISTEN))
    plain = dsn.removesuffix(f"?{query}") if query else dsn
    return Address(f"{plain}?{others}" if others else plain, shown_url(dsn), listens="off" not in asked)


async def connect(address: Address, *, within: float) -> Connection[Any]:
    """Connect to the primary, within so many seconds. Raises what the driver raises.

    A list of hosts is tried in its order; a replica is passed over, because it may not have seen yet that a key was
    revoked.
    """
    return await asyncpg.connect(
        address.dsn,
        timeout=within,
        statement_cache_size=0,
        target_session_attrs=SessionAttribute.primary,
        server_settings={"application_name": "keyfob"},
    )
