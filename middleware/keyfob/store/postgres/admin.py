"""What ``keyfob db`` reports about a PostgreSQL store. Copies are made by pg_dump and pg_restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyfob.store.postgres.statements import SQL

if TYPE_CHECKING:
    from keyfob.store.postgres.store import PostgresStore


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a database in numbers."""

    schema: int
    revision: int
    epoch: str
    server: str
    teams: int
    keys: int
    deleted_keys: int
    audit_events: int


async def status(store: PostgresStore) -> Status:
    """Describe the database."""
    (row,) = await store.read(SQL["status"])
    return Status(*row)
