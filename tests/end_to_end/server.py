"""Real uvicorn processes: started on a port of their own, with their log in a file, and ended by signal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tests.end_to_end.raw import Answer, Headers, Wire, request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from keyfob.testing import Installation

_PORT = re.compile(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")
_STARTED = "Application startup complete."
_LOOPS = {"h11": "asyncio", "httptools": "auto"}  # pure Python throughout, or whatever is the fastest here
_PATIENCE = 100.0  # seconds for starting and for ending


def _arguments(http: str, workers: int, *, is_verbose: bool) -> list[str]:
    arguments = ["--factory", "tests.end_to_end.app:make", "--port=0", f"--http={http}", f"--workers={workers}"]
    arguments.append(f"--loop={_LOOPS[http]}")
    arguments.append("--timeout-worker-healthcheck=60")  # a busy machine is no reason to replace a worker
    arguments += ["--no-proxy-headers", "--timeout-keep-alive=60", "--timeout-graceful-shutdown=10"]
    return [*arguments, "--log-level=debug"] if is_verbose else arguments


class Server:
    """One uvicorn, perhaps with several workers, over the installation *here*."""

    def __init__(
        self,
        here: Installation,
        log: Path,
        *,
        http: str = "h11",
        workers: int = 1,
        environ: Mapping[str, str] | None = None,
        wiring: Mapping[str, Any] | None = None,
        **options: object,
    ) -> None:
        """Start it and wait until it serves.

        Args:
            here: its database and keyring.
            log: the file that takes all it prints.
            http: which parser of HTTP it uses, ``h11`` or ``httptools``.
            workers: how many processes.
            environ: variables besides this process's own.
            wiring: see `tests.end_to_end.app.Wiring`, apart from the options.
            options: the middleware's.

        Raises:
            StartError: it ended instead.

        """
        place = {"store": here.options["store"], "keyring": str(here.options["keyring"])}
        wire = {**(wiring or {}), "options": {**place, **options}}
        arguments = _arguments(http, workers, is_verbose=bool(wire.get("verbose")))
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", *arguments],
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {}), "WIRE": json.dumps(wire)},
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that its workers can be ended with it
            )
        self.port = self._wait_until_ready(workers)

    def _wait_until_ready(self, workers: int) -> int:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            port = _PORT.search(printed := self.printed())
            if port is not None and printed.count(_STARTED) >= workers:
                return int(port[1])
            if self.process.poll() is not None:
                raise StartError(self.process.returncode, printed)
            time.sleep(0.02)
        self.kill()
        raise StartError(None, self.printed())

    def printed(self) -> str:
        """All that the server printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """End it in good order, and return how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does, and its workers with it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(_PATIENCE)

    # -- asking it

    def wire(self) -> Wire:
        """A new connection."""
        return Wire(self.port)

    def raw(self, data: bytes) -> Answer:
        """Send bytes over a connection of their own, and read one answer."""
        with self.wire() as wire:
            wire.send(data)
            return wire.answer(head=data.startswith(b"HEAD "))

    def ask(
        self, target: str | bytes, headers: Headers | None = None, *, method: str = "GET", body: bytes | None = None
    ) -> Answer:
        """Send one request over a connection of its own."""
        return self.raw(request(target, headers, method=method, body=body))

    def stats(self) -> dict[str, int]:
        """What the worker that answers counted: ``pid``, ``handled``, and the middleware's."""
        counted: dict[str, int] = self.ask("/_/stats").json
        return counted

    @contextmanager
    def unmoved(self, *counts: str) -> Iterator[None]:
        """Hold that none of *counts* changes meanwhile."""
        before = self.stats()
        yield
        after = self.stats()
        assert {name: before[name] for name in counts} == {name: after[name] for name in counts}


class StartError(RuntimeError):
    """The server did not start."""

    def __init__(self, returncode: int | None, printed: str) -> None:
        super().__init__(f"uvicorn ended with {returncode}:\n{printed}")
