"""Finds the workers that a change does not reach immediately, from the list of workers.

A worker registers before it reads what it will rely on, and records which change signal it reads. So after committing
and publishing a change, the list contains every worker that may not have noticed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.workers import Worker


async def unreached(store: KeyStore) -> Sequence[Worker]:
    """Return the workers that do not read this process's change signal. Raises StoreUnavailable."""
    own = store.workers.signal_id
    return [worker for worker in await store.workers.all() if not own or worker.signal != own]


async def seconds_until_effective(store: KeyStore, max_staleness: float) -> float:
    """Return how long a worker may still use the state before a change that was just published; 0 if none does."""
    try:
        waited_for = await unreached(store)
    except StoreUnavailable:
        return max_staleness
    if store.is_immediate and not waited_for:
        return 0.0
    return max(max_staleness, *(worker.lease for worker in waited_for), 0.0)


async def signal_problems(store: KeyStore) -> list[str]:
    """Return why changes are not immediate on this host, without host names. Raises StoreUnavailable."""
    own = store.workers.signal_id
    if own is None:
        return []
    if not own:
        return ["this process cannot read the change signal"]
    found = [] if store.is_immediate else ["this process cannot write the change signal"]
    count = len(await unreached(store))
    return [*found, f"workers that do not read this change signal: {count}"] if count else found
