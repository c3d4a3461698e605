"""Announcing in a response that its key was replaced (RFC 9745 and RFC 8594), and where its limits stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from starlette.types import Message, Send

    from keyfob.gate.credentials import Header

_STARTS = frozenset(("http.response.start", "websocket.http.response.start", "websocket.accept"))


def announcing(send: Send, headers: Sequence[Header]) -> Send:
    """Return what sends as *send* does, and adds *headers* to the response, unless the application set them itself."""

    def sending(message: Message) -> Awaitable[None]:
        if message["type"] in _STARTS:
            own = message.get("headers", ())
            names = {name.lower() for name, _ in own}
            message = {**message, "headers": [*own, *[header for header in headers if header[0] not in names]]}
        return send(message)

    return sending
