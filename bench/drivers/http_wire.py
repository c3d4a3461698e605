"""One keep-alive connection of a driver that needs nothing installed: bytes out, answers counted and timed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Answered: TypeAlias = "Callable[[Connection, int, float], None]"  # the status, and the seconds that it took

_END = b"\r\n0\r\n\r\n"  # of a chunked body


class Connection(asyncio.Protocol):
    """Sends one request at a time and tells *answered* the status and the time, in seconds, that it took."""

    def __init__(self, answered: Answered, lost: Callable[[Connection], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._missing = 0  # bytes of the body still to come, where its length was said
        self._is_chunked = False
        self._tail = b""  # the newest bytes of a chunked body, whose end may be torn
        self._status = 0
        self._since = 0.0
        self.is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes, due: float | None = None) -> None:
        """Send *request*; its time counts from *due*, or from now."""
        assert self._transport is not None
        self.is_busy = True
        self._since = time.perf_counter() if due is None else due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read on until the answer is whole."""
        if self._status:
            self._body(data)
            return
        self._head += data
        head, found, body = self._head.partition(b"\r\n\r\n")
        if not found:
            return
        self._head, self._status = b"", int(head[9:12])
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        self._is_chunked, self._missing = not length, int(length or b"0")
        self._body(body)

    def _body(self, data: bytes) -> None:
        self._missing -= len(data)
        self._tail = (self._tail + data[-len(_END) :])[-len(_END) :]
        if self._tail == _END if self._is_chunked else self._missing <= 0:
            status, self._status, self._tail, self.is_busy = self._status, 0, b"", False
            self._answered(self, status, time.perf_counter() - self._since)

    def connection_lost(self, _: Exception | None) -> None:
        """Tell whoever opened it."""
        self._lost(self)

    def close(self) -> None:
        """Close it, whatever is still under way."""
        if self._transport is not None:
            self._transport.abort()
