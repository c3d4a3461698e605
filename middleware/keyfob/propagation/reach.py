"""Which workers a change reaches immediately, asked of the list of workers and never assumed.

A worker enters the list before it reads what it judges by, and says there which change signal it reads. So whoever has
committed and published a change finds in the list every worker that may not have been reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyfob.store.contract import KeyStore
    from keyfob.store.workers import Worker


async def unreached(store: KeyStore) -> Sequence[Worker]:
    """The workers that do not read the change signal of this process. Raises StoreUnavailable."""
    own = store.workers.signal_id
    return [worker for worker in await store.workers.all() if not own or worker.signal != own]


async def seconds_until_effective(store: KeyStore, max_staleness: float) -> float:
    """How long a worker may still act on what was before a change that has just been published; 0 if none does."""
    try:
        waited_for = await unreached(store)
    except StoreUnavailable:
        return max_staleness
    if store.is_immediate and not waited_for:
        return 0.0
    return max(max_staleness, *(worker.lease for worker in waited_for), 0.0)


async def signal_problems(store: KeyStore) -> list[str]:
    """What keeps changes from being immediate on this host, without names of hosts. Raises StoreUnavailable."""
    own = store.workers.signal_id
    if own is None:
        return []
    if not own:
        return ["this process cannot read the change signal"]
    found = [] if store.is_immediate else ["this process cannot write the change signal"]
    count = len(await unreached(store))
    return [*found, f"workers that do not read this change signal: {count}"] if count else found
