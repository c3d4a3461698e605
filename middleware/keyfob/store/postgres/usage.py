"""Writes a batch of usage. It touches the tables of usage alone, never a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyfob.store.contract.use_details import ADDRESSES
from keyfob.store.postgres.failures import translate_failures
from keyfob.store.postgres.statements import SQL
from keyfob.store.sql import rows
from keyfob.store.sql.use_detail_rows import days_of, hours_of, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncpg import Connection

    from keyfob.store.contract.key_store import Use

LIMIT = 10.0  # seconds for a whole batch, which may hold every key

# Not waiting for the disk: a killed process loses nothing by that, and a killed server less than a second of usage.
_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL synchronous_commit = off;
SET LOCAL lock_timeout = '5s';
SET LOCAL idle_in_transaction_session_timeout = '10s'
"""


async def write_usage(connection: Connection[Any], uses: Mapping[str, Use]) -> None:
    """Write *uses* in one transaction. Raises StoreUnavailable."""
    async with translate_failures(LIMIT):
        await connection.execute(_BEGIN)
        await connection.fetch(SQL["hold_usage"], sorted(uses))
        await connection.fetch(SQL["note_last_use"], *_last_uses(uses))
        await connection.fetch(SQL["count_days"], *_days(uses))
        if hours := hours_of(uses):
            await connection.fetch(SQL["count_hours"], *_columns(5, hours))
        if details := values_of(uses):
            days = _columns(2, list(days_of(uses)))
            await connection.fetch(SQL["add_details"], *_columns(10, details))
            await connection.fetch(SQL["fold_details"], *days, ADDRESSES)
            await connection.fetch(SQL["drop_folded"], *days, ADDRESSES)
        await connection.execute("COMMIT")


def _last_uses(uses: Mapping[str, Use]) -> Sequence[list[Any]]:
    """Three columns: key, moment and address."""
    return _columns(3, [(key_id, rows.micros(use.last_at), use.ip) for key_id, use in uses.items() if use.last_at])


def _days(uses: Mapping[str, Use]) -> Sequence[list[Any]]:
    """Five columns: key, day, and what was admitted, denied and limited."""
    counts = [
        (key_id, day.toordinal(), use.admitted.get(day, 0), use.denied.get(day, 0), use.limited.get(day, 0))
        for key_id, use in uses.items()
        for day in use.admitted.keys() | use.denied.keys() | use.limited.keys()
    ]
    return _columns(5, counts)


def _columns(width: int, table: Sequence[Sequence[Any]]) -> Sequence[list[Any]]:
    return [[row[column] for row in table] for column in range(width)]
