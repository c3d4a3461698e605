"""A WebSocket whose key is revoked ends on every server, and no message of its client reaches the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.asgi_servers import SERVERS
from tests.end_to_end.conftest import wait_for
from tests.end_to_end.raw import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.end_to_end.asgi_servers import AnyServer
    from tests.end_to_end.conftest import Origin
    from tests.end_to_end.raw import Wire

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def say(wire: Wire, text: str) -> None:
    """Send a text message in one frame (RFC 6455, section 5.2), masked with zeros."""
    wire.send(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text.encode())


def listen(wire: Wire) -> tuple[int, bytes]:
    """The operation code and the payload of the next frame."""
    first, length = wire.exactly(2)
    return first & 0x0F, wire.exactly(length)


@pytest.mark.parametrize(
    ("kind", "framework"),
    [*((kind, "starlette") for kind in SERVERS), *((kind, "quart") for kind in SERVERS if kind != "daphne")],
)  # Quart has no WebSockets on Daphne, with or without Keyfob
@pytest.mark.cases("FF-61", "FF-62", "WS-05")
def test_a_client_that_ignores_the_close_is_not_heard(
    serve: Callable[..., AnyServer], place: Origin, kind: str, framework: str
) -> None:
    """The socket is closed with 1008, or 4008 where the server refuses that; what comes afterwards goes nowhere."""
    server, issued = serve(kind, framework=framework), place.issue("ws:connect")
    with server.wire() as wire:
        wire.send(request("/ws", {**issued.headers, **HANDSHAKE}))
        assert 101 == wire.start().status
        say(wire, "hello")
        assert (1, b"hello") == listen(wire)
        place.disable(issued)
        wire.wait_at_most(server.within)

        operation, payload = listen(wire)
        assert (8, 4008 if kind == "daphne" else 1008) == (operation, int.from_bytes(payload[:2]))
        say(wire, "late")
        wait_for(lambda: server.noticed()[-1] == "ws ends")
        assert "got late" not in server.noticed()
