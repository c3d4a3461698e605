"""Requests per second behind other packages that do the same, beside Keyfob and beside nothing, in the same run."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench import http_apps, peer_servers, servers
from bench.drivers import programs
from bench.effort import Effort
from bench.guarded import guarded
from bench.http_load import APP, drive
from bench.loads import Loads, Row
from bench.peer_environments import set_up_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.guarded import Guarded
    from bench.peer_servers import Peer

OURS = {
    "Starlette, bare": "starlette",
    "Starlette, AuthenticationMiddleware with a dict": "by hand",
    "Starlette, Keyfob": "keyfob",
    "FastAPI, bare": "fastapi",
    "FastAPI, Keyfob": "keyfob on fastapi",
}
_BARE = "Starlette, bare"
_NOTES = (
    f"of bare: requests per second in those of {_BARE!r}, in the same round. Set-ups: the docstrings in bench/peers/.",
    "CPU: the server's processor time for each request; of bare: what the bare one took in what this one takes.",
    "keyshield delays each answer by 0.1 to 0.3 s with its write of the last use uncommitted: one key waits on itself.",
    "Each was seen to refuse random, forged, wrong and revoked keys before it was measured.",
)

Target = tuple[Row, servers.Server, tuple[str, str]]  # the row, its server, and the header that presents the valid key


async def measure(effort: Effort | None = None, peers: Iterable[Peer] = peer_servers.PEERS) -> Loads:
    """Drive all of them by turns: A B C, A B C."""
    effort = effort or Effort.wanted(rounds=11, seconds=1.0)
    async with guarded() as place:
        with ExitStack() as stack:
            ready, absent = peer_servers.start(stack, peers, place.folder)
            targets = [*_ours(stack, place), *(_target(one) for one in ready)]
            for _ in range(effort.rounds):
                for target in targets:
                    if target[0].name not in absent:
                        await _drive(target, effort.seconds, absent)
    rows = [row for row, _, _ in targets if row.name not in absent]
    title = f"Requests per second, one worker, medians of {effort.rounds} interleaved rounds"
    return Loads(title, effort, rows, _NOTES, absent)


def _ours(stack: ExitStack, place: Guarded) -> list[Target]:
    """The bare applications, and those that are guarded by hand and by Keyfob."""
    started = [
        stack.enter_context(
            servers.running(servers.uvicorn(APP, "--factory"), place.folder / f"{kind}.log", place.environ(kind))
        )
        for kind in OURS.values()
    ]
    for server in started:
        server.ready()
    return [
        (Row("uvicorn", name, _BARE, http_apps.lines(http_apps.KINDS[kind])), server, place.header)
        for (name, kind), server in zip(OURS.items(), started, strict=True)
    ]


def _target(ready: peer_servers.Ready) -> Target:
    row = Row(ready.peer.server, ready.peer.title, _BARE, set_up_lines(ready.peer.name))
    return row, ready.server, ready.header


async def _drive(target: Target, seconds: float, absent: dict[str, str]) -> None:
    row, server, header = target
    try:
        await drive(row, server, header, seconds)
    except programs.WrongAnswerError as error:
        absent[row.name] = f"under load, not every valid key was let in: {' '.join(str(error).split())[-200:]}"
