"""How a response is aborted, for which ASGI has no message.

A server that is known gives access to the client's connection, so the client sees the end immediately and the
application's way out no longer matters. Everywhere else Keyfob raises to whatever called it, which no server takes for
a complete response. A middleware outside may: Starlette's `BaseHTTPMiddleware` sends the last part all the same. So
two messages go first that nothing can pass on as part of a body: a part that is none, which fails behind any number of
them, and one of an unknown type.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from starlette.types import Scope, Send

log = logging.getLogger("keyfob")

_UVICORN: Final = frozenset(("uvicorn.protocols.http.h11_impl", "uvicorn.protocols.http.httptools_impl"))  # not HTTP/2
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: a close sends RST, which ends no body cleanly
_NOT_A_BODY: Final = object()


def abort(send: Send, scope: Scope) -> bool:
    """Whether the connection behind *send* was aborted, or will be once the application has returned."""
    try:
        cycle = _uvicorn_cycle(send, scope)
        if cycle is not None:
            _abort_uvicorn(cycle.transport)
            return True
        module = type(getattr(send, "__self__", None)).__module__
        if module == "hypercorn.protocol.http_stream":  # over HTTP/2 it leaves an incomplete stream open
            return str(scope["http_version"]).startswith("1")
        return "daphne.server" in sys.modules and _abort_daphne(scope)
    except Exception as unexpected:  # noqa: BLE001 - another release of the server; there is still `spoil`
        log.debug("the server's connection could not be aborted: %r", unexpected, extra={"event": "abort_failed"})
        return False


async def spoil(send: Send) -> None:
    """Make whatever takes the messages of the application fail, if it would complete the response otherwise."""
    for kind in ("http.response.body", "keyfob.revoked"):
        with suppress(Exception):
            await send({"type": kind, "body": _NOT_A_BODY, "more_body": True})


def _uvicorn_cycle(send: Send, scope: Scope) -> Any:  # noqa: ANN401 - uvicorn may not be installed
    """Uvicorn's side of this request: what *send* belongs to or, behind middleware that sends itself, its task."""
    owner: Any = getattr(send, "__self__", None)
    if type(owner).__module__ in _UVICORN:
        return owner
    for task in asyncio.all_tasks() if "uvicorn" in sys.modules else ():
        work: Any = task.get_coro()
        if getattr(work, "__qualname__", None) == "RequestResponseCycle.run_asgi":
            cycle = work.cr_frame.f_locals["self"]
            if cycle.scope["asgi"] is scope["asgi"]:  # made for each request, and kept by what copies a scope
                return cycle
    return None


def _abort_uvicorn(transport: asyncio.Transport) -> None:
    with suppress(Exception):  # without it, only a body that the close delimits could look complete (HTTP/1.0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def _abort_daphne(scope: Scope) -> bool:
    """Find the client's connection among Twisted's: an exception would stop Daphne from looking after any."""
    reactor: Any = sys.modules["twisted.internet.reactor"]
    if scope["http_version"].startswith("2") or not scope.get("client"):
        return False
    for transport in reactor.getReaders():
        peer = transport.getPeer() if hasattr(transport, "abortConnection") else None
        if peer is not None and (getattr(peer, "host", None), getattr(peer, "port", None)) == tuple(scope["client"]):
            transport.abortConnection()
            return True
    return False
