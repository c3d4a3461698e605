"""The admin API, the command line and the console: transport over `keyfob.management`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.applications import Starlette

__all__ = ["admin_app"]


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
