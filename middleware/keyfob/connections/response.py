"""One HTTP response under way. Once revoked it never looks complete; once answered whole it is never revoked."""

from __future__ import annotations

import asyncio
import logging
from asyncio import current_task
from threading import get_ident
from typing import TYPE_CHECKING

from keyfob.connections.connection import Connection, KeyRevokedError
from keyfob.connections.servers import abort

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive, Scope, Send

    from keyfob.connections.connection import Admitted
    from keyfob.connections.registry import OpenConnections

log = logging.getLogger("keyfob")

_GRACE = 0.25  # seconds that the application has to end by itself, and between two cancellations after that
_PARTS = frozenset(("http.response.body", "http.response.zerocopysend", "http.response.pathsend"))


class OpenResponse(Connection):
    """One response, watched from admission to its last part.

    Until it has begun, a revoked key changes nothing for a handler that has the whole request: its work goes on, and
    an answer in one part is delivered. An incomplete upload, and any response that has begun, is cut off.
    """

    is_whole: bool  # the last part was handed to the server: nothing is left to revoke
    has_started = False
    is_cut = False
    _has_request = False  # the application was given the whole request
    _is_aborted = False
    _cancellations = 0
    _timer: asyncio.TimerHandle | None = None

    def __init__(
        self, connections: OpenConnections, scope: Scope, receive: Receive, send: Send, admitted: Admitted
    ) -> None:
        """*scope*, *receive* and *send* are the server's; of the scope, only what no router changes is read."""
        # Every request pays for this and for `send`, so nothing is called that need not be. What `send` reads is set
        # here: CPython 3.11 finds an attribute of an instance several times quicker than one of its class.
        self.is_revoked = self.is_whole = False
        self._admitted = admitted
        # Asked of a loop that is known: finding out which one is running takes a system call before CPython 3.12.
        task = current_task(connections.loop) if connections.thread == get_ident() else None
        self._task = task or connections.other_task()
        self._responses = responses = connections.responses
        self._scope = scope
        self._receive = receive
        self._send = send
        responses.add(self)

    # -- what the application is given in place of the server's

    async def receive(self) -> Message:
        """The next part of the request, or the disconnect."""
        if not self._is_over_for_receive():
            message = await self._next(self._receive)
            if message is not None and not self._is_over_for_receive():
                if message["type"] == "http.request" and not message.get("more_body", False):
                    self._has_request = True
                return message
        self._cut()
        return {"type": "http.disconnect"}

    def _is_over_for_receive(self) -> bool:
        return self.is_cut or (self.is_revoked and not self._has_request)

    def send(self, message: Message) -> Awaitable[None]:
        """Pass *message* on while the key is good."""
        if self.is_revoked and not self.is_whole:
            return self._send_revoked(message)
        kind = message["type"]
        if kind == "http.response.start":
            self.has_started = True
        elif kind in _PARTS and not message.get("more_body"):
            self.is_whole = True
            self._responses.discard(self)
        return self._send(message)

    async def _send_revoked(self, message: Message) -> None:
        """Send the one thing that a revoked key still may: a response in one part that had not begun before."""
        if message["type"] == "http.response.start" and not self.is_cut:
            self.has_started = True
            self._timer = self._later(self._cut)  # the part follows immediately, or this is a stream
        elif self._timer is not None and not self.is_cut and not message.get("more_body"):
            self.is_whole = message["type"] in _PARTS
        else:
            self._cut()
            msg = "the key of this response was revoked"
            raise KeyRevokedError(msg)
        await self._send(message)

    # -- the end

    def finish(self, raised: BaseException | None) -> BaseException | None:
        """The application has returned, or *raised*: what the middleware is to raise in turn, or None."""
        self._responses.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if not self.is_cut or not isinstance(raised, Exception | asyncio.CancelledError | None):
            return raised
        if self._is_cancelled_by_others(raised):
            return raised
        self._task = None  # it may end with what is raised, whose traceback leads here: a cycle, for the collector
        if raised is not None and not isinstance(raised, KeyRevokedError):
            log.debug(
                "the application of a revoked response ended with %r", raised, extra={"event": "response_aborted"}
            )
        if self._is_aborted or not self.has_started:
            return None
        return KeyRevokedError("the key of this response was revoked, so it was not completed")

    def _is_cancelled_by_others(self, raised: BaseException | None) -> bool:
        """Take our own cancellations back; whether the task is cancelled all the same, as at shutdown."""
        if self._task is None:
            return False
        remaining = self._task.cancelling()
        while self._cancellations:
            self._cancellations -= 1
            remaining = self._task.uncancel()
        return remaining > 0 and isinstance(raised, asyncio.CancelledError)

    def _end(self) -> None:
        if self.has_started or (self._receiver is not None and not self._has_request):
            self._cut()

    def _cut(self) -> None:
        """Close the client's connection where the server lets us, and let the application end."""
        if self.is_cut or self.is_whole:
            return
        self.is_cut = True
        self._is_aborted = self.has_started and abort(self._send, self._scope)
        self._interrupt()
        self._timer = self._later(self._cancel)

    def _cancel(self) -> None:
        """Cancel the application, again and again if it swallows that: a server closes only when it has ended."""
        self._timer = self._later(self._cancel)
        if self._task is not None:
            self._cancellations += 1
            self._task.cancel()

    @staticmethod
    def _later(call: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(_GRACE, call)
