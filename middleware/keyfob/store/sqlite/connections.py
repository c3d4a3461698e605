"""The connections that one event loop has to the database file, and whether that is still the same file."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.store.sqlite.files import NOTES, READER, WRITER, open_connection
from keyfob.store.sqlite.migrations import check_schema
from keyfob.store.sqlite.reserve import Reserve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from keyfob.store.sqlite.change_signal import FileId
    from keyfob.store.sqlite.files import QuietConnection

_PATIENCE = 1.0  # seconds that the threads of a closed loop have to stop


@dataclass(slots=True)
class Connections:
    """What one event loop holds open.

    The hot path reads through a connection of its own, so that a long listing does not keep it waiting. Usage
    and digests are written without waiting for the disk; they share the writer's *turn*, so that within a process
    nobody has to poll for SQLite's lock.
    """

    id: FileId
    writer: QuietConnection
    notes: QuietConnection
    hot: QuietConnection
    reader: QuietConnection
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    ending: AsyncGenerator[None, None] | None = None  # kept, because the loop itself does not keep it

    def all(self) -> tuple[QuietConnection, ...]:
        """Every connection."""
        return self.writer, self.notes, self.hot, self.reader

    async def close(self) -> None:
        """Close every connection, after what is queued on it."""
        async with self.turn:
            for connection in self.all():
                await connection.close()

    async def abandon(self) -> None:
        """Stop the threads of an event loop that is gone, but don't wait for one that died with it."""
        stopping = [stopped for connection in self.all() if (stopped := connection.stop()) is not None]
        if stopping:
            await asyncio.wait(stopping, timeout=_PATIENCE)


class ConnectionsPerLoop:
    """Gives each event loop its connections, and new ones when the file at the path is another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_loop: dict[asyncio.AbstractEventLoop, Connections] = {}
        self._locks: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}
        self._opening_tasks: dict[asyncio.AbstractEventLoop, asyncio.Task[Connections]] = {}
        self._closed = False
        self._pid = os.getpid()  # of the process that holds connections, if any are held

    def present(self) -> FileId:
        """The identity of the database at the path. Raises StoreUnavailable where there is none, or an empty file."""
        try:
            status = self._path.stat()
        except OSError as error:
            raise StoreUnavailable("there is no database at the store's path") from error
        if not status.st_size:
            raise StoreUnavailable("the database is an empty file")
        return status.st_dev, status.st_ino

    async def connections(self) -> Connections:
        """The connections of the running loop to the file that is at the path now."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._demand_own_process()
        loop = asyncio.get_running_loop()
        held = self._by_loop.get(loop)
        if held is not None and held.id == self.present():
            return held
        await self._forget_closed_loops()
        async with self._locks.setdefault(loop, asyncio.Lock()):
            held = self._by_loop.get(loop)
            if held is None or held.id != self.present():
                if held is not None:
                    del self._by_loop[loop]
                    await _end(held)
                held = await self._opened(loop)
            return held

    async def _opened(self, loop: asyncio.AbstractEventLoop) -> Connections:
        """Open once for all callers that wait; a caller that gives up leaves the work to the next one."""
        opening = self._opening_tasks.get(loop)
        if opening is None:
            opening = self._opening_tasks[loop] = loop.create_task(self._open_and_hold(loop), name="keyfob-open")
            opening.add_done_callback(lambda ended: self._opening_ended(loop, ended))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            own = asyncio.current_task()
            if opening.cancelled() and not (own and own.cancelling()):
                raise StoreUnavailable("the store was closed while it was being opened") from None
            raise

    async def _open_and_hold(self, loop: asyncio.AbstractEventLoop) -> Connections:
        held = await self._open()
        held.ending = self._close_with_loop(loop, held)
        await anext(held.ending)
        self._by_loop[loop] = held
        return held

    def _opening_ended(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Task[Connections]) -> None:
        self._opening_tasks.pop(loop, None)
        if not ended.cancelled():
            ended.exception()  # retrieved, because the callers may all have left

    async def _close_with_loop(self, loop: asyncio.AbstractEventLoop, held: Connections) -> AsyncGenerator[None, None]:
        """Close *held* when its loop ends in good order without a `close`, as that of a script or a test does.

        A loop that ends closes the generators that are begun in it, after all tasks and while it still runs. So each
        thread still finds somebody to give its last answer to, and a fork from here on inherits nothing open.
        """
        try:
            yield
        finally:
            if self._by_loop.get(loop) is held and not self._is_inherited():
                del self._by_loop[loop]
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PATIENCE):
                        await held.close()

    def open(self) -> None:
        """Let connections be made again."""
        self._closed = False

    async def close(self) -> None:
        """Close the running loop's connections and stop the threads of all others."""
        self._closed = True
        if self._is_inherited():
            return
        opening = self._opening_tasks.get(asyncio.get_running_loop())
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        own = self._by_loop.pop(asyncio.get_running_loop(), None)
        if own is not None:
            await _end(own)
        for loop in list(self._by_loop):
            await self._abandon(loop)

    def _is_inherited(self) -> bool:
        """Whether the connections that are held are those of the process that this one was forked from."""
        return bool(self._by_loop) and self._pid != os.getpid()

    def _demand_own_process(self) -> None:
        """Raise StoreUnavailable in a fork of a process that has the database open.

        SQLite's locks stay with the parent while its memory of holding them is inherited, so that the child could
        lose what it was told is written. It may not even close what it inherited.
        """
        if self._is_inherited():
            raise StoreUnavailable("this process was forked after the database was opened; stop Keyfob before a fork")
        self._pid = os.getpid()

    async def _open(self) -> Connections:
        before = self.present()
        opened: list[QuietConnection] = []
        try:
            for pragmas in (WRITER, NOTES, READER, READER):
                opened.append(await open_connection(self._path, pragmas))  # noqa: PERF401 (what is open must be closed)
            await self._check(opened[-1], before)
        except BaseException:
            for connection in opened:
                await connection.close()
            raise
        Reserve(self._path).keep()
        writer, notes, hot, reader = opened
        return Connections(before, writer, notes, hot, reader)

    async def _check(self, connection: QuietConnection, expected: FileId) -> None:
        try:
            await check_schema(connection, self._path)
        except ConfigError as error:  # a running worker cannot fix that, so it answers 503 until somebody does
            raise StoreUnavailable(str(error)) from error
        if self.present() != expected:
            raise StoreUnavailable("the database was replaced while it was being opened")

    async def _forget_closed_loops(self) -> None:
        for loop in list(self._locks):  # a copy, because other threads may be doing the same
            if loop.is_closed():
                self._locks.pop(loop, None)
                self._opening_tasks.pop(loop, None)
                await self._abandon(loop)

    async def _abandon(self, loop: asyncio.AbstractEventLoop) -> None:
        held = self._by_loop.pop(loop, None)
        if held is not None:
            await held.abandon()


async def _end(held: Connections) -> None:
    """Close *held*, and what would have closed it with its loop."""
    await held.close()
    if held.ending is not None:
        await held.ending.aclose()
