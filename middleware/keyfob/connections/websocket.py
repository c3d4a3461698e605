"""One WebSocket that a key was admitted for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from keyfob.connections.connection import Connection, KeyRevokedError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from keyfob.connections.connection import Admitted
    from keyfob.connections.registry import OpenConnections

log = logging.getLogger("keyfob")

_PRIVATE_USE = 3000  # added to a code: 4008 and 4013 are the private counterparts of 1008 and 1013


class OpenSocket(Connection):
    """One WebSocket. It closes with 1008 when its key is revoked, and with 1013 when nobody can tell."""

    _closing: asyncio.Task[None] | None = None

    def __init__(self, connections: OpenConnections, receive: Receive, send: Send, admitted: Admitted) -> None:
        """*receive* and *send* are the server's."""
        self._admitted = admitted
        self._task = asyncio.current_task()
        self._connections = connections
        self._receive = receive
        self._send = send
        connections.add(self)

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Let *app* talk."""
        try:
            await app(scope, self.receive, self.send)
        except Exception as broken:
            if not self.is_revoked:
                raise
            log.debug(
                "the application of a revoked WebSocket ended with %r", broken, extra={"event": "websocket_aborted"}
            )
        finally:
            self._connections.remove(self)
            if self._closing is not None:
                await self._closing

    async def receive(self) -> Message:
        """The client's next message, or the disconnect."""
        message = None if self.is_revoked else await self._next(self._receive)
        if message is None or self.is_revoked:  # revoked while the message was on its way
            return {"type": "websocket.disconnect", "code": self._close_code, "reason": ""}
        return message

    async def send(self, message: Message) -> None:
        """Pass *message* on while the key is good."""
        if self.is_revoked:
            msg = "the key of this WebSocket was revoked"
            raise KeyRevokedError(msg)
        await self._send(message)

    def _end(self) -> None:
        """Close the socket, and wake the application if it waits for a message."""
        self._closing = asyncio.create_task(self._close())
        self._interrupt()

    async def _close(self) -> None:
        # Daphne's library takes no code below 3000 from an application but 1000.
        for code in (self._close_code, self._close_code + _PRIVATE_USE):
            try:
                await self._send({"type": "websocket.close", "code": code, "reason": ""})
            except Exception as refused:  # noqa: BLE001 - each server has its own way to say that the client left already
                log.debug(
                    "the WebSocket could not be closed with %d: %r", code, refused, extra={"event": "websocket_ended"}
                )
            else:
                return
