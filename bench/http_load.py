"""Requests per second over real servers: bare, with a guard written by hand, and with Keyfob."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench import http_apps, servers
from bench.drivers import programs
from bench.effort import Effort
from bench.guarded import bearer, guarded
from bench.loads import Loads, Row

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from bench.drivers.programs import Figures
    from bench.guarded import Guarded

APP = "bench.http_apps:make"
SERVERS: dict[str, Callable[[int], servers.Command]] = {
    "uvicorn": servers.uvicorn(APP, "--factory"),
    "granian": servers.granian(APP, "--factory"),
}
ROWS = {  # the row → the kind of app, and the row that it is compared with
    "Starlette, bare": ("starlette", "Starlette, bare"),
    "Starlette, AuthenticationMiddleware with a dict": ("by hand", "Starlette, bare"),
    "Starlette, Keyfob": ("keyfob", "Starlette, bare"),
    "FastAPI, bare": ("fastapi", "FastAPI, bare"),
    "FastAPI, Keyfob": ("keyfob on fastapi", "FastAPI, bare"),
}
_LOCUST_ROUNDS = 2  # it takes seconds to start, and shows little
_NOTES = (
    "of bare: requests per second in those of the same application without a guard, in the same round.",
    "CPU: the server's processor time for each request; of bare: what the bare one took in what this one takes.",
    "locust: its own cost is most of what it measures where it shares a processor; compare its rows with care.",
)
_FOR_LOCUST = "uvicorn"


async def measure(effort: Effort | None = None, on: tuple[str, ...] = tuple(SERVERS)) -> Loads:
    """Drive every application *on* every server by turns: A B C, A B C."""
    effort = effort or Effort.wanted(rounds=15, seconds=1.0)
    rows = [Row(server, name, bare, _lines(kind)) for server in on for name, (kind, bare) in ROWS.items()]
    async with guarded() as place:
        with ExitStack() as stack:
            started = [stack.enter_context(_server(place, row)) for row in rows]
            for server, row in zip(started, rows, strict=True):
                _check(server, place, row)
            for number in range(effort.rounds):
                uses_locust = programs.has_locust() and number < _LOCUST_ROUNDS and not effort.is_quick
                for row, server in zip(rows, started, strict=True):
                    await drive(row, server, place.header, effort.seconds)
                    if uses_locust and row.server == _FOR_LOCUST:
                        row.add("locust", await _by_locust(server, place, effort.seconds))
    title = f"Requests per second, one worker, medians of {effort.rounds} interleaved rounds"
    return Loads(title, effort, rows, _NOTES)


def _lines(kind: str) -> int | None:
    return None if kind in {"starlette", "fastapi"} else http_apps.lines(http_apps.KINDS[kind])


def _server(place: Guarded, row: Row) -> AbstractContextManager[servers.Server]:
    """The application of *row*, on its server."""
    kind, _ = ROWS[row.name]
    return servers.running(SERVERS[row.server], place.folder / f"{row.server}-{kind}.log", place.environ(kind))


def _check(server: servers.Server, place: Guarded, row: Row) -> None:
    """Hold that *row*'s application guards what it should."""
    port, (kind, _) = server.ready(), ROWS[row.name]
    refusal = {"starlette": 200, "fastapi": 200, "by hand": 400}.get(kind, 401)
    assert servers.answer(port, [place.header])[0] == 200
    assert servers.answer(port, [bearer("junk")])[0] == refusal


async def drive(row: Row, server: servers.Server, header: tuple[str, str], seconds: float) -> None:
    """One round of one application: wrk for *seconds*, if it is installed, and our own driver for half of that."""
    if programs.has_wrk():
        row.add("wrk", await programs.metered(server, programs.wrk(server.port, header, seconds)))
    row.add("our own driver", await programs.metered(server, programs.own(server.port, header, seconds / 2)))


async def _by_locust(server: servers.Server, place: Guarded, seconds: float) -> Figures:
    return await programs.metered(server, programs.locust(server.port, place.good.text, seconds))
