"""The admin API and the console as one application, made from the configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from keyfob.config.settings import load_settings
from keyfob.runtime.runtime import Runtime
from keyfob_admin.app import build_admin
from keyfob_admin.console import console_pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.applications import Starlette


def mountable(
    config: str | Path | None = None,
    *,
    beside: Callable[[Runtime], Callable[[Starlette], Any]] | None = None,
) -> Starlette:
    """Build the application from the file *config* and the environment.

    Args:
        config: a file with the settings, or None for the one that the environment names.
        beside: gives the lifespan, as Starlette takes it, of what runs beside the requests.

    Raises:
        ConfigError: the configuration cannot work.
    """
    runtime = Runtime(load_settings(config, environ=os.environ))
    return build_admin(runtime, pages=console_pages(runtime), lifespan=beside(runtime) if beside else None)
