"""The connections that one event loop has to PostgreSQL.

Nothing here or above relies on the state of a session, so that a pooler may stand in between and give each
transaction another one: no prepared statements are kept, nothing is SET but for one transaction, and a connection
whose state is in doubt is cut instead of being tidied.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from keyfob.errors import StoreUnavailable
from keyfob.store.postgres_address import connect
from keyfob.store.postgres_answering import answering
from keyfob.store.postgres_hints import Hints
from keyfob.store.postgres_migrations import judge_schema
from keyfob.store.postgres_statements import SQL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncpg import Connection

    from keyfob.store.postgres_address import Address

CONNECT_LIMIT = 1.5  # seconds, for the way to a connection that can be used
IDLE_LIMIT = 60.0  # seconds after which a connection that nobody needed is closed
HOT_SIZE = 4  # connections of one event loop for what requests wait for
DESK_SIZE = 4  # connections of one event loop for what people do: changes and lists


class Line:
    """Connections for one purpose, at most *size* of them; the one that was used last is used first."""

    def __init__(self, address: Address, size: int) -> None:
        self._address = address
        self._places = asyncio.Semaphore(size)
        self._idle: list[tuple[Connection[Any], float]] = []
        self._in_use: set[Connection[Any]] = set()

    @asynccontextmanager
    async def connection(self, *, within: float) -> AsyncIterator[Connection[Any]]:
        """Lend a connection. It is cut if anything is raised meanwhile, because nobody knows what it still awaits."""
        async with answering(within):
            await self._places.acquire()
        try:
            connection = await self._take()
            self._in_use.add(connection)
            try:
                yield connection
            except BaseException:
                connection.terminate()
                self.drop_idle(monotonic())  # the others may be as dead
                raise
            finally:
                self._in_use.discard(connection)
            self._give_back(connection)
        finally:
            self._places.release()

    def cut(self) -> None:
        """Cut every connection, also those that are in use."""
        self.drop_idle(monotonic())
        for connection in list(self._in_use):
            connection.terminate()

    def drop_idle(self, since: float) -> None:
        """Cut the connections that nobody has used since *since*."""
        kept: list[tuple[Connection[Any], float]] = []
        for connection, last_used in self._idle:
            if last_used > since:
                kept.append((connection, last_used))
            else:
                connection.terminate()
        self._idle = kept

    def _give_back(self, connection: Connection[Any]) -> None:
        if connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append((connection, monotonic()))

    async def _take(self) -> Connection[Any]:
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                return connection
        async with answering(CONNECT_LIMIT):
            connection = await connect(self._address, within=CONNECT_LIMIT)
            try:
                ((number, min_reader),) = await connection.fetch(SQL["readiness"])
                judge_schema(number, min_reader)
            except BaseException:
                connection.terminate()
                raise
            return connection


@dataclass(slots=True)
class Connections:
    """What one event loop holds open. What requests wait for does not queue behind what people do."""

    hot: Line
    desk: Line
    hints: Hints
    keeper: asyncio.Task[None]

    async def close(self) -> None:
        """Cut every connection."""
        self.keeper.cancel()
        await asyncio.gather(self.keeper, return_exceptions=True)
        await asyncio.sleep(0)  # the loop lets go of the sockets in its next round


class Opening:
    """Gives each event loop its connections."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._by_loop: dict[asyncio.AbstractEventLoop, Connections] = {}
        self._closed = False

    def connections(self) -> Connections:
        """The connections of the running loop; each is made when it is needed."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        loop = asyncio.get_running_loop()
        held = self._by_loop.get(loop)
        if held is None or held.keeper.done():
            for other in [other for other in list(self._by_loop) if other.is_closed()]:
                self._by_loop.pop(other, None)
            held = self._by_loop[loop] = self._make()
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

    def _make(self) -> Connections:
        hot, desk = Line(self._address, HOT_SIZE), Line(self._address, DESK_SIZE)
        hints = Hints(self._address)
        keeper = asyncio.create_task(_keep(hot, desk, hints), name="keyfob-connections")
        return Connections(hot, desk, hints, keeper)


async def _keep(hot: Line, desk: Line, hints: Hints) -> None:
    """Close what is idle for long, and everything when the loop ends or the store is closed."""
    try:
        while True:
            await asyncio.sleep(IDLE_LIMIT / 2)
            for line in (hot, desk):
                line.drop_idle(monotonic() - IDLE_LIMIT)
    finally:
        hints.close()
        hot.cut()
        desk.cut()
