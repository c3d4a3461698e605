"""One WebSocket that a key was admitted for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from keyfob.connections.connection import Connection, KeyRevokedError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from keyfob.connections.registry import OpenConnections

log = logging.getLogger("keyfob")


class OpenSocket(Connection):
    """One WebSocket. When its key is revoked it is closed with 1008; when nobody can say, with 1013."""

    _closing: asyncio.Task[None] | None = None
    _receive: Receive
    _send: Send

    async def run(self, connections: OpenConnections, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let *app* talk. *receive* and *send* are the server's."""
        self._receive = receive
        self._send = send
        connections.add(self)
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            if not self.is_revoked:
                raise
        finally:
            connections.remove(self)
            if self._closing is not None:
                await self._closing

    async def receive(self) -> Message:
        """The next message, or that the socket is closed."""
        if self.is_revoked:
            return {"type": "websocket.disconnect", "code": self._why, "reason": ""}
        return await self._receive()

    async def send(self, message: Message) -> None:
        """Pass *message* on while the key is good."""
        if self.is_revoked:
            msg = "the key of this WebSocket is no longer good"
            raise KeyRevokedError(msg)
        await self._send(message)

    def _cut(self) -> None:
        """Close the socket; the server tells the application."""
        self._closing = asyncio.create_task(self._close())

    async def _close(self) -> None:
        try:
            await self._send({"type": "websocket.close", "code": self._why, "reason": ""})
        except Exception as gone:  # noqa: BLE001 - each server has its own way to say that the client left already
            log.debug("the WebSocket had ended already: %r", gone)
