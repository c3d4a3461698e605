"""The peers as servers: which there are, how each is started, and that it refuses what it must."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import servers
from bench.peer_environments import AbsentError, Presented, prepared, python_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """One peer in one set-up."""

    title: str
    name: str  # of its file and its environment
    variant: str = ""
    server: str = "uvicorn"
    quickest: bool = True  # of its set-ups: the one that is flooded


PEERS = (
    Peer("keyshield, cached", "keyshield", quickest=False),
    Peer("keyshield, cached, without its delay", "keyshield", "undelayed"),
    Peer("safe-api-keys, cached", "safe_api_keys", "cached"),
    Peer("safe-api-keys", "safe_api_keys", quickest=False),
    Peer("fastapi-keygate, usage in batches", "fastapi_keygate"),
    Peer("fastapi-keygate, async", "fastapi_keygate", "async", quickest=False),
    Peer("djangorestframework-api-key", "djangorestframework_api_key", server="gunicorn"),
    Peer("litestar-api-auth", "litestar_api_auth"),
)


@dataclass(frozen=True)
class Ready:
    """A peer that serves."""

    peer: Peer
    server: servers.Server
    presented: Presented

    @property
    def header(self) -> tuple[str, str]:
        """What a request sends to be let in."""
        return self.presented["valid"][0]


def gunicorn(app: str, *options: str, python: str) -> Callable[[int], servers.Command]:
    """One worker of gunicorn with four threads, which keeps connections alive."""
    fixed = ["--workers=1", "--threads=4", "--keep-alive=75", "--log-level=warning", "--no-control-socket"]
    return lambda port: [python, "-m", "gunicorn", app, f"--bind=127.0.0.1:{port}", *fixed, *options]


def start(stack: ExitStack, peers: Iterable[Peer], folder: Path) -> tuple[list[Ready], dict[str, str]]:
    """Start the *peers*, each over a database in *folder*; those that cannot be measured come with the reason."""
    started: list[Ready] = []
    absent: dict[str, str] = {}
    for peer in peers:
        try:
            started.append(_started(stack, peer, folder / f"{peer.name}-{peer.variant or 'plain'}"))
        except AbsentError as error:
            absent[peer.title] = str(error)
    ready = []
    for one in started:
        try:
            check(one.server.ready(), one.presented)
        except (AbsentError, servers.StartError) as error:
            absent[one.peer.title] = str(error).strip().splitlines()[-1]
        else:
            ready.append(one)
    return ready, absent


def _started(stack: ExitStack, peer: Peer, folder: Path) -> Ready:
    folder.mkdir()
    python = python_of(peer.name)
    environ = {"PEER_FOLDER": str(folder), "PEER_VARIANT": peer.variant}
    presented = prepared(peer.name, python, environ)
    with closing(sqlite3.connect(folder / "keys.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
    app = f"{peer.name}_app:app"
    command = (
        gunicorn(app, "--chdir=bench/peers", python=python)
        if peer.server == "gunicorn"
        else servers.uvicorn(app, "--app-dir=bench/peers", python=python)
    )
    return Ready(peer, stack.enter_context(servers.running(command, folder / "log", environ)), presented)


def check(port: int, presented: Presented) -> None:
    """Hold that the valid key is let in and that every other kind is refused; raises AbsentError where not."""
    for kind, headers in presented.items():
        status, body = servers.answer(port, headers[:1])
        if status not in ({200} if kind == "valid" else {401, 403}):
            raise AbsentError(f"a key that is {kind} was answered {status} {body[:80]!r}")
