"""The path prefix that callers see, which a proxy in front may strip: ``/keys-admin`` of ``https://x/keys-admin``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send


class PublicPrefix:
    """Puts the path of ``[admin] url`` back where a proxy took it off, so that every address we give keeps it.

    The prefix becomes ``root_path``, as if the application were mounted there. A request that still carries it, since
    its proxy strips nothing or there is no proxy, is answered alike.
    """

    def __init__(self, app: ASGIApp, url: str | None, own: Collection[str] = ()) -> None:
        """*own* are the first segments of the application's paths: a prefix like them could be one of these paths."""
        self._app = app
        self._prefix = urlsplit(url or "").path.rstrip("/")
        self._may_be_there = self._prefix.split("/")[:2][-1] not in own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, as ASGI 3 asks."""
        if self._prefix and scope["type"] in {"http", "websocket"}:
            scope = self._below(scope)
        await self._app(scope, receive, send)

    def _below(self, scope: Scope) -> Scope:
        root = str(scope.get("root_path", "")).rstrip("/")
        if root == self._prefix or not _is_below(root, scope["path"]):  # the gate refuses what is not below its root
            return scope
        path, raw = _without(root, scope["path"], scope.get("raw_path"))
        if self._may_be_there and _is_below(self._prefix, path):
            path, raw = _without(self._prefix, path, raw)
        moved = {**scope, "root_path": self._prefix, "path": self._prefix + (path or "/")}
        if raw is not None:
            moved["raw_path"] = self._prefix.encode() + (raw or b"/")
        return moved


def _is_below(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _without(prefix: str, path: str, raw: bytes | None) -> tuple[str, bytes | None]:
    """Take *prefix* off a path, and off how it was written, where both begin with it."""
    if raw is not None:
        raw = raw.removeprefix(prefix.encode())
    return path.removeprefix(prefix), raw
