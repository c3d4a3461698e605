"""A TCP proxy that a test can make slow, deaf or broken: the network between a host and its database."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK = 65536


class Network:
    """The way to one server. `url` leads through it."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._links: set[Link] = set()
        self._port = 0
        self.delay = 0.0  # seconds that everything takes to arrive, either way
        self.swallows = False  # new links are accepted, and nothing arrives
        self.refuses = False  # new links are closed at once

    @property
    def url(self) -> str:
        """The server's address, by way of this proxy."""
        user = f"{self._target.username}@" if self._target.username else ""
        return self._target._replace(netloc=f"{user}127.0.0.1:{self._port}").geturl()

    def lead_to(self, url: str) -> None:
        """Reach the server at *url* from now on, with new links."""
        self._target = urlsplit(url)

    def black_hole(self) -> None:
        """Let nothing arrive any more, on links that are open and on new ones, and tell nobody."""
        self.swallows = True
        for link in self._links:
            link.swallows = True

    def cut(self) -> None:
        """Break every link that is open."""
        for link in list(self._links):
            link.close()

    def go_down(self) -> None:
        """Break every link, and let nobody through any more."""
        self.refuses = True
        self.cut()

    def recover(self) -> None:
        """Let new links work again. What a black hole has swallowed stays lost."""
        self.swallows = self.refuses = False

    async def serve(self) -> asyncio.Server:
        """Begin to accept."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        return server

    def _is_down(self) -> bool:
        return self.refuses

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_down():
            writer.transport.abort()
            return
        try:
            far = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:  # the server is not there now
            writer.transport.abort()
            return
        link = Link(self, writer, far[1], swallows=self.swallows)
        if self._is_down():  # it went down while the far end was being reached, when this was no link yet to be cut
            link.close()
            return
        self._links.add(link)
        try:
            await asyncio.gather(link.pump(reader, far[1]), link.pump(far[0], writer))
        finally:
            self._links.discard(link)


class Link:
    """One connection through the proxy."""

    def __init__(
        self, network: Network, near: asyncio.StreamWriter, far: asyncio.StreamWriter, *, swallows: bool
    ) -> None:
        self._network = network
        self._ends = near, far
        self.swallows = swallows

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry what comes from *source* to *sink* until either ends."""
        try:
            while chunk := await source.read(_CHUNK):
                if self._network.delay:
                    await asyncio.sleep(self._network.delay)
                if not self.swallows:
                    sink.write(chunk)
        except OSError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Break the connection at both ends."""
        for end in self._ends:
            end.transport.abort()


@asynccontextmanager
async def network_to(url: str) -> AsyncIterator[Network]:
    """A proxy before the server at *url*."""
    network = Network(url)
    server = await network.serve()
    try:
        yield network
    finally:
        server.close()
        network.cut()
        await asyncio.sleep(0.01)
