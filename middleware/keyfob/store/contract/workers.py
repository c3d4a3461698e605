"""The list of the processes that answer requests, so that a change can wait until all of them have applied it.

A worker registers before it reads what it will rely on. So a process that commits a change and then reads the list
finds every worker that may still rely on the old state. No clocks are compared: a changing row shows that its worker is
alive, and the lease limits how long it may continue without reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 (so that the annotations of a dataclass can be read)
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = -1  # the revision of a worker that has applied none


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that answers requests, as in its last report."""

    id: str  # random
    host: str
    lease: float  # seconds for which it may rely on its last read
    epoch: str
    revision: int  # the last one applied; reads as `NOTHING` if that was in another history
    seen_at: datetime  # on its own clock; only compared for equality
    signal: str = ""  # the change signal that it reads; empty if none
    keyring: tuple[str, ...] = ()  # the fingerprints of its signing keys


class WorkerList(Protocol):
    """Every method may raise StoreUnavailable. No key is written and no revision taken."""

    @property
    def signal_id(self) -> str | None:
        """Names the change signal that this process reads; "" if it can read none, None if the engine has none."""
        ...

    async def put(self, worker: Worker) -> None:
        """Register *worker*, or update its row."""
        ...

    async def remove(self, worker_id: str, seen_at: datetime | None = None) -> None:
        """Deregister a worker; if *seen_at* is given, only if it has not reported since."""
        ...

    async def all(self) -> Sequence[Worker]:
        """Read the whole list, by host and id."""
        ...

    async def request_acknowledgement(self, revision: int) -> None:
        """Ask every worker to acknowledge *revision* once it has applied it (`Changes.requested_revision`)."""
        ...
