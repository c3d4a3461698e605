"""The list of workers, on any engine: all use the same statement names and values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from keyfob.store.contract.workers import NOTHING, Worker
from keyfob.store.sql import rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class Database(Protocol):
    """The part of the store that this needs. Both methods raise StoreUnavailable."""

    @property
    def signal_id(self) -> str | None:
        """Names the change signal that this process reads."""
        ...

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Sequence[Any]]:
        """Run one read-only statement."""
        ...

    async def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Run one small statement in its own transaction; it changes no key."""
        ...


class WorkerTable:
    """A `keyfob.store.contract.workers.WorkerList` over *statements*, by name."""

    def __init__(self, database: Database, statements: Mapping[str, str]) -> None:
        self._database = database
        self._statements = statements

    @property
    def signal_id(self) -> str | None:
        """Names the change signal that this process reads; "" if it can read none, None if the engine has none."""
        return self._database.signal_id

    async def put(self, worker: Worker) -> None:
        """Register *worker*, or update its row."""
        lease = math.ceil(worker.lease * 1000)
        seen_at, keyring = rows.micros(worker.seen_at), " ".join(worker.keyring)
        values = (worker.id, worker.host, lease, worker.epoch, worker.revision, seen_at, worker.signal, keyring)
        await self._database.note(self._statements["put_worker"], values)

    async def remove(self, worker_id: str, seen_at: datetime | None = None) -> None:
        """Deregister a worker; if *seen_at* is given, only if it has not reported since."""
        if seen_at is None:
            await self._database.note(self._statements["remove_worker"], (worker_id,))
        else:
            values = (worker_id, rows.micros(seen_at))
            await self._database.note(self._statements["remove_silent_worker"], values)

    async def all(self) -> Sequence[Worker]:
        """Read the whole list, by host and id."""
        return [_worker(row) for row in await self._database.read(self._statements["workers"])]

    async def request_acknowledgement(self, revision: int) -> None:
        """Ask every worker to acknowledge *revision* once it has applied it."""
        await self._database.note(self._statements["request_acknowledgement"], (revision,))


def _worker(row: Sequence[Any]) -> Worker:
    present, worker_id, host, lease, epoch, revision, seen_at, signal, keyring = row
    # A worker's epoch may be more specific than the database's: on SQLite it also names the file.
    applied = revision if f"{epoch}-".startswith(f"{present}-") else NOTHING
    fingerprints = tuple(keyring.split())
    return Worker(worker_id, host, lease / 1000, epoch, applied, rows.moment(seen_at), signal, fingerprints)
