"""The ASGI lifespan, shared between Keyfob and the application that it wraps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from keyfob.errors import ConfigError
from keyfob.gate.authenticator import require_asyncio

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("keyfob")


class StartsAndStops(Protocol):
    """Something that runs beside the requests."""

    async def start(self) -> None:
        """Start. Raises ConfigError if it must not."""
        ...

    async def stop(self) -> None:
        """Write pending data, and stop."""
        ...


class Lifespan:
    """One run of the lifespan protocol: Keyfob starts before the application and stops after it.

    If the application does not support the protocol (Django does not), Keyfob answers in its place, so that it is
    notified of the shutdown and can write the last uses.
    """

    def __init__(self, app: ASGIApp, inner: StartsAndStops, on_started: Callable[[], None]) -> None:
        """*inner* starts before *app*; *on_started* is called when both have started."""
        self._app = app
        self._inner = inner
        self._on_started = on_started
        self._has_begun = False
        self._has_answered_start = False
        self._has_answered_stop = False
        self._failed = False

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the protocol to its end."""
        try:
            await self._app(scope, self._receiving(receive), self._sending(send))
        except ConfigError as wrong:
            if not self._has_begun or self._has_answered_start:
                raise
            await _fail(send, wrong)
            return
        except Exception as unknown:
            if self._has_answered_start:
                await self._inner.stop()
                raise
            log.debug(
                "the application does not take part in lifespan: %r", unknown, extra={"event": "lifespan_unsupported"}
            )
        if self._failed:
            await self._inner.stop()
        elif not self._has_answered_stop:
            await self._stand_in(receive, send)

    def _receiving(self, receive: Receive) -> Receive:
        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._has_begun = True
                await self._start()
            return message

        return receiving

    def _sending(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            kind = message["type"]
            self._has_answered_start |= kind.startswith("lifespan.startup.")
            self._failed |= kind == "lifespan.startup.failed"
            if kind == "lifespan.startup.complete":
                self._on_started()
            if kind.startswith("lifespan.shutdown."):
                self._has_answered_stop = True
                await self._inner.stop()
            await send(message)

        return sending

    async def _start(self) -> None:
        require_asyncio()
        await self._inner.start()

    async def _stand_in(self, receive: Receive, send: Send) -> None:
        """Answer in place of an application that has returned."""
        if not self._has_begun:
            await receive()
            try:
                await self._start()
            except ConfigError as wrong:
                await _fail(send, wrong)
                return
        if not self._has_answered_start:
            await send({"type": "lifespan.startup.complete"})
        self._on_started()
        await receive()
        await self._inner.stop()
        await send({"type": "lifespan.shutdown.complete"})


async def _fail(send: Send, wrong: ConfigError) -> None:
    await send({"type": "lifespan.startup.failed", "message": f"keyfob: {wrong}"})
