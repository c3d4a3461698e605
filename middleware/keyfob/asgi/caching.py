"""What a shared cache must know about a response that depends on a key.

Caches keep no response to a request with ``Authorization`` for others (RFC 9111, section 3.5). They do not know that
another header is a credential, too, unless the response says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Message, Send

_STARTS = frozenset(("http.response.start", "websocket.http.response.start"))


def varying(send: Send, header: bytes) -> Send:
    """Return what sends as *send* does, and says that the response is for the sender of *header* alone.

    It adds *header* to ``Vary``, and ``Cache-Control: private`` where the application set no Cache-Control itself.
    """

    def sending(message: Message) -> Awaitable[None]:
        if message["type"] in _STARTS:
            message = {
                **message,
                "headers": _for_one([(name, value) for name, value in message.get("headers", ())], header),
            }
        return send(message)

    return sending


def _for_one(headers: list[tuple[bytes, bytes]], header: bytes) -> list[tuple[bytes, bytes]]:
    varies = {part.strip().lower() for name, value in headers if name.lower() == b"vary" for part in value.split(b",")}
    if header not in varies and b"*" not in varies:
        headers.append((b"vary", header))
    if all(name.lower() != b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"private"))
    return headers
