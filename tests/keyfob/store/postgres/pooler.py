"""A transaction pooler: every transaction may run on another connection of the server, as behind PgBouncer.

It gives each transaction the connection that has rested longest, so that whoever relies on the state of a session
finds another session, and what a session was told is never heard by who told it.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PROTOCOL = 3 << 16
_NO_PROCESS = 0x7FFFFFF0  # what the pooler says is the number of the server's process
_SERVERS = 3

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The kind and the whole text of the next message."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(int.from_bytes(head[1:]) - 4)


class Pooler:
    """One database's pool of server connections."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._rested: asyncio.Queue[Ends] = asyncio.Queue()
        self._greeting = b""
        self._port = 0
        self.transactions = 0

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return self._target._replace(netloc=f"{self._target.username}@127.0.0.1:{self._port}").geturl()

    async def serve(self) -> asyncio.Server:
        """Connect to the server and begin to accept clients."""
        for _ in range(_SERVERS):
            self._rested.put_nowait(await self._connect())
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        return server

    def close(self) -> None:
        """Leave the server."""
        while not self._rested.empty():
            _, writer = self._rested.get_nowait()
            writer.transport.abort()

    async def _connect(self) -> Ends:
        reader, writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        words = ["user", self._target.username or "", "database", self._target.path[1:], "", ""]
        start = struct.pack("!i", _PROTOCOL) + "\0".join(words).encode()
        writer.write(struct.pack("!i", len(start) + 4) + start)
        greeting = b""
        kind = b""
        while kind != b"Z":
            kind, text = await _message(reader)
            greeting += struct.pack("!cIIi", b"K", 12, _NO_PROCESS, 1) if kind == b"K" else text
        self._greeting = greeting
        return reader, writer

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size, code = struct.unpack("!ii", await reader.readexactly(8))
                await reader.readexactly(size - 8)
                if code == _PROTOCOL:
                    break
                if code >> 16 == 1234 and code & 0xFFFF == 5678:  # a request to cancel
                    return
                writer.write(b"N")  # no encryption
            writer.write(self._greeting)
            while True:
                first = await _message(reader)
                if first[0] == b"X":
                    return
                await self._transaction(first[1], reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _transaction(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lend the client a server connection until the server says that no transaction is open."""
        ends = await self._rested.get()
        self.transactions += 1
        ends[1].write(first)
        forward = asyncio.create_task(self._forward(reader, ends[1]))
        try:
            kind, text = b"", b""
            while kind != b"Z" or text[-1:] != b"I":
                kind, text = await _message(ends[0])
                if kind == b"Z" and text[-1:] == b"I":
                    forward.cancel()
                    await asyncio.gather(forward, return_exceptions=True)
                writer.write(text)
        except BaseException:
            ends[1].transport.abort()
            self._rested.put_nowait(await self._connect())
            raise
        finally:
            forward.cancel()
        self._rested.put_nowait(ends)

    @staticmethod
    async def _forward(reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        try:
            while True:
                server.write((await _message(reader))[1])
        except (OSError, asyncio.IncompleteReadError):  # the client has left in the midst
            server.transport.abort()


@asynccontextmanager
async def pooler_before(url: str) -> AsyncIterator[Pooler]:
    """A transaction pooler before the database at *url*."""
    pooler = Pooler(url)
    server = await pooler.serve()
    try:
        yield pooler
    finally:
        server.close()
        await asyncio.sleep(0.01)
        pooler.close()
        await asyncio.sleep(0.01)
