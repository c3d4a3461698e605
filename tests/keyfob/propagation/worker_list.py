"""A store's list of workers in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable
from keyfob.store.contract.counter import OwnCounter
from keyfob.store.contract.key_store import Changes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from keyfob.store.contract.workers import Worker


class WorkerList:
    """A store's list and feed in memory, with all that was asked of it, in its order."""

    def __init__(self) -> None:
        self.rows: dict[str, Worker] = {}
        self.done: list[str] = []
        self.broken = False
        self.revision = 1
        self.requested_revision = 0
        self.change_signal = OwnCounter(7)
        self.signal_id: str | None = "one"

    def _note(self, what: str) -> None:
        self.done.append(what)
        if self.broken and what != "read":
            raise StoreUnavailable("read-only")

    async def changes(self, since: int | None) -> Changes:
        self._note("read")
        return Changes(self.revision, "epoch", (), (), requested_revision=self.requested_revision)

    async def put(self, worker: Worker) -> None:
        self._note("put")
        self.rows[worker.id] = worker

    async def remove(self, worker_id: str, seen_at: datetime | None = None) -> None:
        self._note("remove")
        row = self.rows.get(worker_id)
        if row is not None and seen_at in {None, row.seen_at}:
            del self.rows[worker_id]

    async def all(self) -> Sequence[Worker]:
        self._note("all")
        return list(self.rows.values())

    async def request_acknowledgement(self, revision: int) -> None:
        self._note("call")
        self.requested_revision = revision
