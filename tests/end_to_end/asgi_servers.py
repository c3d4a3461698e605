"""Every ASGI server that Keyfob is tried on, each started over an application of `tests.end_to_end.long_lived`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.end_to_end.raw import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyfob.testing import Installation

APP = "tests.end_to_end.long_lived:app"
STALENESS = 2.0  # seconds; with less, whatever is open ends where a busy machine lets the server stand still so long
_PATIENCE = 100.0  # seconds for starting and for ending

SERVERS: dict[str, Callable[[int], list[str]]] = {
    "uvicorn-h11": lambda port: ["uvicorn", APP, f"--port={port}", "--http=h11", "--loop=asyncio"],
    "uvicorn-httptools": lambda port: ["uvicorn", APP, f"--port={port}", "--http=httptools"],
    "hypercorn": lambda port: ["hypercorn", APP, f"--bind=127.0.0.1:{port}", "--graceful-timeout=1"],
    "daphne": lambda port: ["daphne", APP, f"--port={port}", "--bind=127.0.0.1", "--application-close-timeout=4"],
    "granian": lambda port: ["granian", APP, f"--port={port}", "--interface=asgi", "--workers=1"],
}


class AnyServer:
    """One server of *kind* over the installation *here*."""

    within = STALENESS + 1  # seconds until what is open must have ended, as promised

    def __init__(self, kind: str, here: Installation, log: Path, wiring: dict[str, Any]) -> None:
        """Start it and wait until it takes connections."""
        with socket.create_server(("127.0.0.1", 0)) as unused:
            self.port: int = unused.getsockname()[1]
        self.log = log
        self._noticed = log.with_suffix(".noticed")
        self._noticed.touch()
        place = {"store": here.options["store"], "keyring": str(here.options["keyring"])}
        wire = {**wiring, "noticed": str(self._noticed), "options": {**place, "max_staleness": STALENESS}}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *SERVERS[kind](self.port)],
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONASYNCIODEBUG": "", "LONG_LIVED": json.dumps(wire)},
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that its workers end with it
            )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        self.kill()
        raise TimeoutError(self.printed() or "the server takes no connections")

    def wire(self) -> Wire:
        """A new connection."""
        return Wire(self.port)

    def noticed(self) -> list[str]:
        """What the application noticed so far."""
        return self._noticed.read_text(encoding="utf-8").splitlines()

    def printed(self) -> str:
        """All that the server printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End it immediately, and its workers with it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(_PATIENCE)
