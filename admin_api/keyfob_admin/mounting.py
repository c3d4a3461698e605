"""The admin API and the console as one application, made from the configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from keyfob.config.settings import load_settings
from keyfob.runtime.runtime import Runtime
from keyfob_admin.app import build_admin
from keyfob_admin.console import console_pages

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.applications import Starlette


def mountable(config: str | Path | None = None) -> Starlette:
    """Build the application from the file *config* and the environment. Raises ConfigError."""
    runtime = Runtime(load_settings(config, environ=os.environ))
    return build_admin(runtime, pages=console_pages(runtime))
