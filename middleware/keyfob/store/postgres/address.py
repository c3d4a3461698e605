"""Makes connections to PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.connect_utils import SessionAttribute

if TYPE_CHECKING:
    from asyncpg import Connection

    from keyfob.store.url import StoreURL


async def connect(url: StoreURL, *, within: float) -> Connection[Any]:
    """Connect to the primary, within so many seconds or the URL's own ``connect_timeout``. Raises what the driver does.

    Several hosts are tried in their order. A replica is passed over, because it may not know yet that a key was
    revoked.
    """
    return await asyncpg.connect(
        url.dsn,
        timeout=min(within, url.connect_timeout or within),
        statement_cache_size=0,
        target_session_attrs=SessionAttribute.primary,
        server_settings=None if "application_name=" in url.dsn else {"application_name": "keyfob"},
    )
