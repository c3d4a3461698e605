"""A terminal in a folder of its own, where a document's commands are run one after the other.

Two liberties are taken. Ports that documents name are other, free ones in truth. And ``scripts/demo`` is run as what
it ends with, ``keyfob demo``, because its first half installs packages.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent.parent
PORTS = (8000, 8700)  # of the application and of `keyfob serve`, in every document
_DEMO = "scripts/demo"
_SERVES = re.compile(r"(scripts/demo|keyfob demo|keyfob serve|uvicorn)\b")
_PASTED = re.compile(r"(\w+)=kf_\w*…")
_OURS = ("KEYFOB_", "CURL_", "COVERAGE_")  # the last: what documents run is measured by tests of its own
_PATIENCE = 60.0  # seconds for a server to answer


class Terminal:
    """A shell whose variables last from one command to the next, and the servers that were started from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = {port: _free_port() for port in PORTS}
        self._servers: dict[int, _Server] = {}
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> str:
        """Run *command*, or start it if it is a server; what it printed, errors and all."""
        if _SERVES.match(command) and "--help" not in command:
            return self._start(command)
        pasted = _PASTED.match(command)
        if pasted:
            command = f"{pasted[1]}={self._printed_key(pasted[1])}"
        end = secrets.token_hex(8)
        assert self._shell.stdin is not None
        text = self._with_true_ports(command)
        self._shell.stdin.write(f"{{ {text}\n}} </dev/null 2>&1; __was=$?; echo; echo {end}; (exit $__was)\n")
        self._shell.stdin.flush()
        return self._as_documented(self._read_until(end))

    def close(self) -> None:
        """End the shell and whatever was started."""
        for server in self._servers.values():
            server.stop()
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait(_PATIENCE)
        assert self._shell.stdout is not None
        self._shell.stdout.close()

    def _start(self, command: str) -> str:
        """Start a server in place of the one that the document had on that port; what it prints until it answers."""
        named = re.search(r"--port (\d+)", command)
        port = int(named[1]) if named else 8700 if command.startswith("keyfob serve") else 8000
        if port in self._servers:
            self._servers.pop(port).stop()
        words = shlex.split(command.split("#", maxsplit=1)[0])
        words = ["keyfob", "demo", *words[1:]] if words[0] == _DEMO else words
        if named:
            words[words.index("--port") + 1] = str(self._ports[port])
        else:
            words += ["--port", str(self._ports[port])]
        server = _Server(
            words, self.folder, self.folder / f".server-{len(self._servers)}-{port}.log", self._ports[port]
        )
        self._servers[port] = server
        return self._as_documented(server.printed())

    def _printed_key(self, name: str) -> str:
        """The key that a server said to be *name*."""
        for server in self._servers.values():
            found = re.search(rf"\b{name}=(kf_\w+)", server.printed())
            if found:
                return found[1]
        message = f"no server printed {name}="
        raise AssertionError(message)

    def _read_until(self, end: str) -> str:
        assert self._shell.stdout is not None
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.strip() == end:
                break
            lines.append(line)
        return "".join(lines)

    def _with_true_ports(self, command: str) -> str:
        for said, true in self._ports.items():
            command = re.sub(rf"\b(127\.0\.0\.1|localhost):{said}\b", rf"\1:{true}", command)
        return command

    def _as_documented(self, output: str) -> str:
        for said, true in self._ports.items():
            output = output.replace(f":{true}", f":{said}")
        return output.replace("\r\n", "\n").replace(f"{self.folder}/", "").replace(str(self.folder), ".")


class _Server:
    """A program that serves until it is told to stop."""

    def __init__(self, words: list[str], folder: Path, log: Path, port: int) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                words, cwd=folder, env=_environment(folder), stdout=output, stderr=output, start_new_session=True
            )
        self._wait_for(port)

    def printed(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(_PATIENCE)

    def _wait_for(self, port: int) -> None:
        """Wait until it answers HTTP: some listen before they are ready."""
        deadline = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as connection:
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    if connection.recv(1):
                        return
            except OSError:
                time.sleep(0.05)
        message = f"the server did not start: {self.printed()}"
        raise AssertionError(message)


def _environment(folder: Path) -> Mapping[str, str]:
    """What a new user has: no settings of Keyfob, and a curl without its progress meter, as in a terminal."""
    home = folder / ".home"
    home.mkdir(exist_ok=True)
    (home / ".curlrc").write_text("no-progress-meter\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {
        **kept,
        "HOME": str(home),
        "LOGNAME": "ada",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
        "NO_PROXY": "*",
    }


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
