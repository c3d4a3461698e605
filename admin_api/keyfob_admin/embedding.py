"""The Keys page as an application of its own, for mounting in somebody's own application."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from keyfob.config.settings import load_settings
from keyfob.runtime.runtime import Runtime
from keyfob_admin.app import answer_exception, answer_http_exception
from keyfob_admin.console import embedded_pages

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob_admin.console import Embedding


def embedded(config: str | Path | None, embedding: Embedding) -> Starlette:
    """Build the application from the file *config* and the environment. Raises ConfigError."""
    runtime = Runtime(load_settings(config, environ=os.environ))
    runtime.check_people()
    app = Starlette(
        routes=embedded_pages(runtime, embedding),
        exception_handlers={HTTPException: answer_http_exception, Exception: answer_exception},
    )
    app.router.redirect_slashes = False
    app.state.runtime = runtime
    return app
