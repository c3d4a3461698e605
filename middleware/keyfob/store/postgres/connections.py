"""The connections that one event loop has to PostgreSQL.

Nothing here or above relies on the state of a session, so that a pooler may stand in between and give each
transaction another one: no prepared statements are kept, nothing is SET but for one transaction, and a connection
whose state is unknown is closed instead of being reset.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, Any

from keyfob.errors import StoreUnavailable
from keyfob.store.postgres.address import connect
from keyfob.store.postgres.failures import translate_failures
from keyfob.store.postgres.migrations import judge_schema
from keyfob.store.postgres.notifications import Notifications
from keyfob.store.postgres.statements import SQL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from asyncpg import Connection

    from keyfob.store.url import StoreURL

CONNECT_LIMIT = 1.5  # seconds, until a connection can be used
TURN_LIMIT = 5.0  # seconds that management waits for its turn in this process
IDLE_LIMIT = 60.0  # seconds after which a connection that nobody needed is closed
AT_ONCE = 4  # connections of one event loop for each purpose


class Purpose(Enum):
    """What a connection is wanted for: requests do not queue behind management."""

    REQUEST = "request"
    MANAGEMENT = "management"  # changes, lists, and the writing of usage


class Connections:
    """What one event loop holds open. The connection that was used last is used first."""

    def __init__(self, url: StoreURL) -> None:
        self._url = url
        self._places = {purpose: asyncio.Semaphore(AT_ONCE) for purpose in Purpose}
        self._idle: list[tuple[Connection[Any], float]] = []
        self._in_use: set[Connection[Any]] = set()
        self.notifications = Notifications(url)
        self._keeper = asyncio.create_task(self._keep(), name="keyfob-connections")
        self._ending = self._end_with_loop()
        with suppress(StopIteration):
            self._ending.asend(None).send(None)  # begins it, so that the loop knows it

    @property
    def is_alive(self) -> bool:
        """Whether the event loop still takes care of this."""
        return not self._keeper.done()

    @asynccontextmanager
    async def lend(self, purpose: Purpose, *, within: float | None = None) -> AsyncIterator[Connection[Any]]:
        """Lend a connection. Raises StoreUnavailable, also *within* so many seconds from now.

        A connection is cut if anything is raised meanwhile, because nobody knows what it still awaits; and all that
        are idle with it if the database did not answer, because they may be as dead.
        """
        try:
            async with translate_failures(within), self._place(purpose), self._connection() as connection:
                yield connection
        except StoreUnavailable:
            self._drop_idle(monotonic())
            raise

    async def close(self) -> None:
        """Cut every connection."""
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        await asyncio.sleep(0)  # the loop lets go of the sockets in its next round

    async def _end_with_loop(self) -> AsyncGenerator[None, None]:
        """Close with the loop. It cancels its tasks first, and uses are written then, by a keeper that it leaves over.

        What is begun as an asynchronous generator is closed after all tasks, while the loop still runs.
        """
        try:
            yield
        finally:
            await self.close()

    @asynccontextmanager
    async def _place(self, purpose: Purpose) -> AsyncIterator[None]:
        async with translate_failures(TURN_LIMIT):
            await self._places[purpose].acquire()
        try:
            yield
        finally:
            self._places[purpose].release()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection[Any]]:
        connection = await self._take()
        self._in_use.add(connection)
        try:
            yield connection
        except BaseException:
            connection.terminate()
            raise
        finally:
            self._in_use.discard(connection)
        if connection.is_closed() or connection.is_in_transaction() or not self.is_alive:
            connection.terminate()  # the last: nobody would close what came about while the others were closed
        else:
            self._idle.append((connection, monotonic()))

    async def _take(self) -> Connection[Any]:
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                return connection
        async with translate_failures(CONNECT_LIMIT):
            connection = await connect(self._url, within=CONNECT_LIMIT)
            try:
                ((number, min_reader),) = await connection.fetch(SQL["readiness"])
                judge_schema(number, min_reader)
            except BaseException:
                connection.terminate()
                raise
            return connection

    def _drop_idle(self, since: float) -> None:
        """Cut the connections that nobody has used since *since*."""
        old = [connection for connection, last_used in self._idle if last_used <= since]
        self._idle = [entry for entry in self._idle if entry[1] > since]
        for connection in old:
            connection.terminate()

    async def _keep(self) -> None:
        """Close what is idle for long, and everything when the loop ends or the store is closed."""
        try:
            while True:
                await asyncio.sleep(IDLE_LIMIT / 2)
                self._drop_idle(monotonic() - IDLE_LIMIT)
        finally:
            self.notifications.close()
            self._drop_idle(monotonic())
            for connection in list(self._in_use):
                connection.terminate()


class ConnectionsPerLoop:
    """Gives each event loop its connections."""

    def __init__(self, url: StoreURL) -> None:
        self._url = url
        self._by_loop: dict[asyncio.AbstractEventLoop, Connections] = {}
        self._closed = False

    def connections(self) -> Connections:
        """The connections of the running loop; each is made when it is needed. Raises StoreUnavailable if closed."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        loop = asyncio.get_running_loop()
        held = self._by_loop.get(loop)
        if held is None or not held.is_alive:
            for other in [other for other in list(self._by_loop) if other.is_closed()]:
                self._by_loop.pop(other, None)
            held = self._by_loop[loop] = Connections(self._url)
        return held

    def open(self) -> None:
        """Let connections be made again."""
        self._closed = False

    async def close(self) -> None:
        """Close the running loop's connections."""
        self._closed = True
        own = self._by_loop.pop(asyncio.get_running_loop(), None)
        if own is not None:
            await own.close()
