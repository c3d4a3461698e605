"""Turns whatever keeps PostgreSQL from answering into one exception, and bounds how long it is waited for."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from keyfob.errors import NotMigrated, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# errors of PostgreSQL and the driver, broken connections, and answers of another shape than was asked for
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError, TypeError)
_NO_SCHEMA = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError)


@asynccontextmanager
async def translate_failures(within: float | None) -> AsyncIterator[None]:
    """Raise StoreUnavailable for what goes wrong inside, and after *within* seconds, if there is such a limit.

    Only the name of the error goes into the message: its text may quote what is in a row.
    """
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError as error:
        raise StoreUnavailable("the database did not answer in time") from error
    except _NO_SCHEMA as error:
        raise NotMigrated("the database has not got the present schema; run `keyfob db migrate`") from error
    except (*_FAILURES, LookupError) as error:
        raise StoreUnavailable(f"the database cannot answer ({type(error).__name__})") from error
