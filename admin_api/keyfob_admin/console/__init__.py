"""The console: the web pages on which people make, look at and end keys."""

from __future__ import annotations

from keyfob_admin.console.embedding import Embedding
from keyfob_admin.console.routes import console_pages, embedded_pages

__all__ = ["Embedding", "console_pages", "embedded_pages"]
