"""What somebody does who has the database and not Keyfob: write into it, and read all of it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import asyncpg

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'keyfob'"
_ROWS = 'SELECT t::text FROM keyfob."TABLE" t'


def execute(store: str, statement: str) -> None:
    """Run one statement on either store; it must touch a row."""
    if store.startswith("sqlite:"):
        with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as database:
            touched = database.execute(statement).rowcount
            database.commit()
    else:
        done: str = asyncio.run(_on_postgres(store, statement))
        touched = int(done.rpartition(" ")[2])
    assert touched


def dumped(store: str) -> str:
    """Every row of every table, as text."""
    if store.startswith("sqlite:"):
        with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as database:
            return "\n".join(database.iterdump())
    return asyncio.run(_rows_of_postgres(store))


async def _on_postgres(store: str, statement: str) -> str:
    connection = await asyncpg.connect(store, server_settings={"search_path": "keyfob"})
    try:
        return str(await connection.execute(statement))
    finally:
        await connection.close()


async def _rows_of_postgres(store: str) -> str:
    connection = await asyncpg.connect(store)
    try:
        tables = [row[0] for row in await connection.fetch(_TABLES)]
        rows = [await connection.fetch(_ROWS.replace("TABLE", table)) for table in tables]
    finally:
        await connection.close()
    return "\n".join(row[0] for some in rows for row in some)
