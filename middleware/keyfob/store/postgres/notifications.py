"""Listens for PostgreSQL's notifications of changes, so that a worker need not wait for its next poll.

A notification only makes the poll come sooner, and the poll finds what a lost notification was about. So nothing here
may raise.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import asyncpg

from keyfob.store.postgres.address import connect

if TYPE_CHECKING:
    from asyncpg import Connection

    from keyfob.store.url import StoreURL

log = logging.getLogger("keyfob")

CHANNEL = "keyfob"
GATHER = 0.02  # seconds; notifications that arrive together lead to one poll
RETRY_AFTER = 5.0  # seconds until a lost connection is made again
ALIVE_EVERY = 30.0  # seconds between checks that the server still answers
_CONNECT_LIMIT = 5.0  # seconds


class Notifications:
    """One event loop's listener: a connection of its own, without a pooler in between."""

    def __init__(self, url: StoreURL) -> None:
        self._url = url
        self._seen = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._is_silent = not url.listens

    async def wait(self, timeout_s: float) -> None:
        """Return after *timeout_s*, or when something has changed."""
        if self._listening is None and not self._is_silent:
            self._listening = asyncio.create_task(self._listen(), name="keyfob-notifications")
        try:
            async with asyncio.timeout(timeout_s):
                await self._seen.wait()
                await asyncio.sleep(GATHER)
        except TimeoutError:
            return
        finally:
            self._seen.clear()

    def close(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    async def _listen(self) -> None:
        while not self._is_silent:
            try:
                await self._receive()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
                log.info(
                    "no notifications from the database (%s): polling alone",
                    type(error).__name__,
                    extra={"event": "notifications_lost"},
                )
            await asyncio.sleep(RETRY_AFTER)

    async def _receive(self) -> None:
        """Listen for as long as the connection lives."""
        connection = await connect(self._url, within=_CONNECT_LIMIT)
        try:
            async with asyncio.timeout(_CONNECT_LIMIT):
                if await self._is_pooled(connection):
                    self._is_silent = True
                    log.info(
                        "a pooler stands before the database, so it sends no notifications: polling alone",
                        extra={"event": "notifications_unavailable"},
                    )
                    return
                await connection.add_listener(CHANNEL, self._notified)
            self._seen.set()  # for what was missed before
            while True:
                await asyncio.sleep(ALIVE_EVERY)
                async with asyncio.timeout(_CONNECT_LIMIT):
                    await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    @staticmethod
    async def _is_pooled(connection: Connection[Any]) -> bool:
        # A pooler answers the start of a connection itself, with a process number that is not the server's.
        return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())

    def _notified(self, *_notification: object) -> None:
        self._seen.set()
