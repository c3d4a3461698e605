"""Announcing in a response that its key was replaced (RFC 9745 and RFC 8594), and where its limits stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from starlette.types import Message, Send

    from keyfob.gate.verdict import Header

_STARTS = frozenset(("http.response.start", "websocket.http.response.start", "websocket.accept"))


def announced(start: Message, headers: Sequence[Header]) -> Message:
    """Return the message that begins a response with *headers* added, unless the application set them itself."""
    own = list(start.get("headers", ()))  # which can be read once, where the application sent an iterator
    added = dict(headers)
    for name, _ in own:  # a loop, because a comprehension costs a call before CPython 3.12
        added.pop(name.lower(), None)
    return {**start, "headers": [*own, *added.items()]}


def announcing(send: Send, headers: Sequence[Header]) -> Send:
    """Return what sends as *send* does, and adds *headers* to the response."""

    def sending(message: Message) -> Awaitable[None]:
        return send(announced(message, headers) if message["type"] in _STARTS else message)

    return sending
