"""What is open needs a valid lease, as every request does: while the store cannot answer, it ends when the lease does.

A new request is answered 503 then. A stream that went on would be the one way past a store that is kept from speaking.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable

if TYPE_CHECKING:
    from keyfob.connections.registry import OpenConnections
    from keyfob.propagation.freshness import Freshness

_LAST_LOOK = 0.5  # seconds beyond the lease; what is open is promised to end within one
_PAUSE = 0.05  # seconds between two attempts


async def close_when_lease_expires(freshness: Freshness, connections: OpenConnections) -> None:
    """End all that is open whenever the lease has run out and the store does not answer. Runs until cancelled."""
    while True:
        await asyncio.sleep(max(_PAUSE, freshness.lease_remaining()))
        if freshness.lease_remaining() <= 0 and connections.open_keys():
            await _look_for_the_last_time(freshness)
            if freshness.lease_remaining() <= 0:
                connections.end_all()


async def _look_for_the_last_time(freshness: Freshness) -> None:
    """Read the store, more than once if need be.

    A process that stood still wakes without a lease, perhaps in the midst of a read that failed for no other reason.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_LOOK):
            while freshness.lease_remaining() <= 0:
                with suppress(StoreUnavailable):
                    await freshness.refresh()
                await asyncio.sleep(_PAUSE)
