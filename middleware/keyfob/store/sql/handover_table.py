"""The links that hand keys over, on any engine: all use the same statement names and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from keyfob.keys.record import Creator
from keyfob.store.contract.handovers import Handover
from keyfob.store.sql import rows as values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from keyfob.store.contract.transaction import Transaction


class Database(Protocol):
    """The part of the store that this needs."""

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Sequence[Any]]:
        """Run one read-only statement. Raises StoreUnavailable."""
        ...


class Named(Protocol):
    """The part of a transaction that this needs: it runs its engine's statements by name."""

    async def run(self, name: str, parameters: Sequence[object] = ()) -> list[Sequence[Any]]:
        """Run the statement *name* and return all its rows."""
        ...


class HandoverRows:
    """A `keyfob.store.contract.handovers.HandoverTable` over *statements*, by name."""

    def __init__(self, database: Database, statements: Mapping[str, str]) -> None:
        self._database = database
        self._statements = statements

    async def find(self, token_digest: bytes) -> Handover | None:
        """Read a link, collected, expired or not."""
        found = await self._database.read(self._statements["handover"], (token_digest,))
        with values.decoding():
            return _handover(found[0]) if found else None

    async def add(self, rows: Transaction, handover: Handover) -> None:
        """Save a link, and void the key's earlier ones."""
        run, made_by = cast("Named", rows).run, handover.made_by
        times = values.micros(handover.created_at), values.micros(handover.expires_at)
        by = made_by.kind, made_by.id, made_by.name
        await run("void_handovers", (handover.key_id,))
        await run("add_handover", (handover.token_digest, handover.key_id, *by, *times, handover.mac))

    async def collect(self, rows: Transaction, token_digest: bytes, at: datetime, ip: str | None) -> bool:
        """Mark the link as collected. False if it was collected before, has expired or does not exist."""
        now = values.micros(at)
        return bool(await cast("Named", rows).run("collect_handover", (now, ip, token_digest, now)))


def _handover(row: Sequence[Any]) -> Handover:
    digest, key_id, kind, made_by_id, name, created_at, expires_at, mac, collected_at, collected_ip = row
    return Handover(
        token_digest=bytes(digest),
        key_id=key_id,
        made_by=Creator(kind, made_by_id, name),
        created_at=values.moment(created_at),
        expires_at=values.moment(expires_at),
        mac=bytes(mac),
        collected_at=None if collected_at is None else values.moment(collected_at),
        collected_ip=collected_ip,
    )
