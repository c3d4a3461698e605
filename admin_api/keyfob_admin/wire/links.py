"""Where links lead that are sent to people: never to what a client's Host says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import Scope

DEFAULT_URL: Final = "http://127.0.0.1:8700"  # where `keyfob serve` answers unless told otherwise

PAGE: Final = "/page"  # below which the Keys page for users of an application that is not Python is served


def link_base(admin_url: str | None, scope: Scope) -> str:
    """Give the address of the console, without a last slash: ``[admin] url``, else where this server listens."""
    if admin_url:
        return admin_url.rstrip("/")
    host, port = scope.get("server") or ("", None)
    if port is None:  # a Unix socket
        return DEFAULT_URL
    shown = f"[{host}]" if ":" in host else host
    return f"{scope.get('scheme', 'http')}://{shown}:{port}{scope.get('root_path', '').rstrip('/')}"


def invitation_address(base: str, token: str) -> str:
    """Where the link of *token* is that lets a person in, in the console at *base*."""
    return f"{base}/invitation/{token}"


def page_address(base: str, token: str) -> str:
    """Where the link of *token* is that opens the Keys page of an application's user, at *base*."""
    return f"{base}{PAGE}/open/{token}"


def handover_address(base: str, token: str) -> str:
    """Where the link of *token* is, in the console at *base*."""
    return f"{base}/handover/{token}"
