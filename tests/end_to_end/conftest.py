"""One installation and a few shared servers for the whole session; each test that disables a key makes its own."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from anyio.from_thread import start_blocking_portal

from keyfob.testing import Installation, Issued, installation
from tests.end_to_end.asgi_servers import AnyServer
from tests.end_to_end.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from keyfob.store.contract.key_store import KeyView

ROUNDS = int(os.environ.get("KEYFOB_TEST_ROUNDS", "200"))
VERBOSE = {"verbose": True}
_LONG = re.compile(rb"[0-9A-Za-z]{43,}")  # what could hold a secret
_HANDSHAKE = re.compile(rb"DEBUG:    < [A-Za-z-]+: ")  # at DEBUG, websockets prints every header that it receives
SENSITIVE: dict[str, Any] = {
    "realm": 'the "odd\\one"',
    "allow_preflight": True,
    "trusted_proxies": ["127.0.0.1/32"],
    "usage_interval": 0.2,
    "max_staleness": 1.0,
    "persist_digests": False,
    "encoded_slash": "allow",
}


def wait_for(happens: Callable[[], object]) -> None:
    """Return once it *happens*; the test's own timeout is the bound."""
    while not happens():
        time.sleep(0.02)


class Origin:
    """An installation that tests without an event loop of their own can use."""

    def __init__(self, portal: BlockingPortal, here: Installation) -> None:
        self._portal = portal
        self.here = here
        self.canaries: list[str] = []

    def issue(self, *permissions: str, canary: bool = True, **fields: Any) -> Issued:
        """See `keyfob.testing.Installation.issue`. The secret of a *canary* may never be written anywhere."""
        issued = self._portal.call(lambda: self.here.issue(*permissions, **fields))
        if canary:
            self.canaries.append(issued.text[-64:-21])
        return issued

    def disable(self, issued: Issued) -> None:
        self._portal.call(self.here.disable, issued)

    def enable(self, issued: Issued) -> None:
        self._portal.call(self.here.enable, issued)

    def change(self, issued: Issued, **fields: Any) -> None:
        self._portal.call(lambda: self.here.change(issued, **fields))

    def run(self, work: Callable[[Installation], Any]) -> Any:
        """Await what *work* makes of the installation."""
        return self._portal.call(work, self.here)

    def view(self, issued: Issued) -> KeyView:
        found: KeyView = self.run(lambda here: here.store.view(issued.record.id))
        return found

    def uses(self, issued: Issued) -> tuple[int, int]:
        """How often a key was admitted and denied, as far as it is written down."""
        days = self.run(lambda here: here.store.usage(issued.record.id, issued.record.created_at.date()))
        return sum(day.admitted for day in days), sum(day.denied for day in days)


def leaks(files: Iterable[Path], canaries: list[str]) -> list[str]:
    """Every line of *files* that holds one of *canaries*, but for those that the WebSocket library itself prints."""
    secrets = [canary.encode() for canary in canaries]
    found = []
    for file in files:
        lines = [line for line in file.read_bytes().split(b"\n") if not _HANDSHAKE.match(line)]
        texts = {text: line for line in lines for text in _LONG.findall(line)}
        found += [f"{file.name}: {line!r}" for text, line in texts.items() if any(secret in text for secret in secrets)]
    return found


@dataclass
class Keys:
    """The keys that no test may change."""

    reader: Issued
    writer: Issued
    admin: Issued


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as started:
        yield started


@pytest.fixture(scope="session")
def new_place(portal: BlockingPortal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Origin]]:
    """Makes installations, and closes them."""
    opened = []

    def make() -> Origin:
        manager = portal.wrap_async_context_manager(installation(tmp_path_factory.mktemp("place")))
        place = Origin(portal, manager.__enter__())
        opened.append(manager)
        return place

    yield make
    for manager in opened:
        manager.__exit__(None, None, None)


@pytest.fixture(scope="session")
def place(new_place: Callable[[], Origin]) -> Origin:
    return new_place()


@pytest.fixture(scope="session")
def keys(place: Origin) -> Keys:
    permissions = ("items:read", "ws:connect", "m:read")
    return Keys(
        reader=place.issue(*permissions, name="R"),
        writer=place.issue(*permissions, "items:write", "docs:secret", name="W"),
        admin=place.issue("*", key_type="admin", name="AD"),
    )


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    folder, numbers = tmp_path_factory.mktemp("logs"), count()
    return lambda: folder / f"server-{next(numbers)}.log"


@pytest.fixture(scope="session")
def shared(place: Origin, logs: Callable[[], Path]) -> Iterator[Callable[..., Server]]:
    """Starts servers over the shared installation, one for each set of options, and stops them in the end."""
    started: dict[str, Server] = {}

    def serve(http: str, **options: Any) -> Server:
        name = repr((http, options))
        if name not in started:
            environ = {"PYTHONASYNCIODEBUG": "1"} if "wiring" not in options else None
            started[name] = Server(place.here, logs(), http=http, environ=environ, **{"wiring": VERBOSE, **options})
        return started[name]

    yield serve
    for server in started.values():
        server.process.terminate()
    for server in started.values():
        server.stop()
    # SE-01 over the whole session: every logger was at DEBUG.
    files = [server.log for server in started.values()] + list(place.here.folder.glob("keyfob.db*"))
    assert [] == leaks(files, place.canaries)


@pytest.fixture(params=["h11", "httptools"])
def http(request: pytest.FixtureRequest) -> str:
    parser: str = request.param
    return parser


@pytest.fixture
def server(http: str, shared: Callable[..., Server]) -> Server:
    """The application with Keyfob's defaults."""
    return shared(http)


@pytest.fixture
def sensitive(http: str, shared: Callable[..., Server]) -> Server:
    """The application with the settings of `ODD`."""
    return shared(http, **SENSITIVE)


@pytest.fixture
def alone(logs: Callable[[], Path]) -> Iterator[Callable[..., Server]]:
    """Starts servers that the test may end as it likes."""
    started = []

    def serve(place: Origin, **options: Any) -> Server:
        started.append(Server(place.here, logs(), **options))
        return started[-1]

    yield serve
    for server in started:
        server.kill()


@pytest.fixture(scope="module")
def serve(place: Origin, logs: Callable[[], Path]) -> Iterator[Callable[..., AnyServer]]:
    """Starts servers of any kind over `tests.end_to_end.long_lived`, one at a time, and ends them.

    Tests that use the same server follow each other, so that not fifty of them run side by side.
    """
    started: dict[str, AnyServer] = {}

    def start(kind: str, **wiring: Any) -> AnyServer:
        name = repr((kind, wiring))
        if name not in started:
            for server in started.values():
                server.kill()
            started.clear()
            started[name] = AnyServer(kind, place.here, logs(), wiring)
        return started[name]

    yield start
    for server in started.values():
        server.kill()
