"""Servers to be measured: one process each, on the loopback interface, on the core that is theirs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
_PATIENCE = 60.0  # seconds for starting and for ending

Command = list[str]


def uvicorn(app: str, *options: str, python: str = sys.executable) -> Callable[[int], Command]:
    """One worker of uvicorn on uvloop and httptools, without an access log."""
    fixed = ["--workers=1", "--loop=uvloop", "--http=httptools", "--no-access-log", "--log-level=warning"]
    return lambda port: [python, "-m", "uvicorn", app, f"--port={port}", "--no-proxy-headers", *fixed, *options]


def granian(app: str, *options: str) -> Callable[[int], Command]:
    """One worker of granian on uvloop, with one thread of its own, without an access log."""
    fixed = ["--interface=asgi", "--http=1", "--loop=uvloop", "--workers=1", "--runtime-threads=1", "--no-ws"]
    return lambda port: [
        sys.executable,
        "-m",
        "granian",
        app,
        f"--port={port}",
        "--log-level=warning",
        *fixed,
        *options,
    ]


class Server:
    """A server that answers on *port*."""

    def __init__(self, command: Callable[[int], Command], log: Path, environ: Mapping[str, str]) -> None:
        """Start it, which `ready` waits for."""
        self.port = _free_port()
        with log.open("ab") as output, cores.started_on(cores.SERVER):
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                command(self.port),
                env={**os.environ, **environ},
                cwd=ROOT,
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that its workers end with it
            )
        self._log = log

    def ready(self) -> int:
        """Wait until it takes connections, and return its port; raise StartError if it ends instead."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self.port
            time.sleep(0.05)
        self.stop()
        raise StartError(self._log.read_text(encoding="utf-8", errors="replace"))

    def cpu_seconds(self) -> float:
        """Processor time that it and its workers took so far."""
        family = [first := psutil.Process(self._process.pid), *first.children(recursive=True)]
        return sum(sum(one.cpu_times()[:2]) for one in family)

    def stop(self) -> None:
        """End it, with everything that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_PATIENCE)


class StartError(RuntimeError):
    """The server did not start; the message is what it printed."""

    @property
    def reason(self) -> str:
        """The last line that it printed."""
        return (str(self).strip().splitlines() or ["it printed nothing"])[-1]


@contextmanager
def running(command: Callable[[int], Command], log: Path, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a server for a while. It is being started then, so that several can start at once."""
    server = Server(command, log, environ or {})
    try:
        yield server
    finally:
        server.stop()


def answer(port: int, headers: Sequence[tuple[str, str]], path: str = "/items") -> tuple[int, bytes]:
    """The status and the body of one answer, over a connection of its own."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as wire:
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n{lines}\r\n".encode())
        whole = b"".join(iter(lambda: wire.recv(65536), b""))
    head, _, body = whole.partition(b"\r\n\r\n")
    return int(head[9:12]), body


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port
