"""The admin API, the command line and the console: transport over `keyfob.management`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.people.app_person import AppPerson as Person

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.applications import Starlette
    from starlette.requests import Request

__all__ = ["Person", "admin_app", "keys_page"]


def admin_app(*, config: str | Path | None = None) -> Starlette:
    """Make the admin API and the console of an installation, for mounting in another ASGI application.

    It starts with its first request. An application that it is mounted in awaits ``state.runtime.stop()`` at its end.

    Args:
        config: the path of ``keyfob.toml``; by default the one that ``KEYFOB_CONFIG`` names. Variables override it.

    Raises:
        ConfigError: the configuration cannot work.
    """
    from keyfob_admin.mounting import mountable  # noqa: PLC0415 - the command line does not load the console

    return mountable(config)


def keys_page(
    *,
    config: str | Path | None = None,
    who: Callable[[Request], Person | Awaitable[Person | None] | None],
    login_url: str | None = None,
    title: str | None = None,
    accent: str | None = None,
    stylesheet: str | None = None,
) -> Starlette:
    """Make the Keys page, on which an application's own users make and end the keys of their team, for mounting.

    It starts with its first request. An application that it is mounted in awaits ``state.runtime.stop()`` at its end.

    Args:
        config: the path of ``keyfob.toml``; by default the one that ``KEYFOB_CONFIG`` names. Variables override it.
        who: says at every request who is signed in to the application; None for nobody. A plain function runs in a
            thread. It must not read the body of the request.
        login_url: where nobody is led; without it, nobody gets 401.
        title: what the page is called.
        accent: the colour of its buttons, such as ``#0a7d55``.
        stylesheet: the path of a stylesheet of the same site, after the page's own.

    Raises:
        ConfigError: the configuration or an argument cannot work.
    """
    from keyfob_admin.console import Embedding  # noqa: PLC0415 - the command line does not load the console
    from keyfob_admin.embedding import embedded  # noqa: PLC0415

    settings = Embedding(who=who, login_url=login_url, title=title, accent=accent, stylesheet=stylesheet)
    return embedded(config, settings)
