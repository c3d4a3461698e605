"""The console: the web pages on which people make, look at and end keys."""

from __future__ import annotations

from keyfob_admin.console.routes import console_pages

__all__ = ["console_pages"]
