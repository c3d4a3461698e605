"""Runs a driver as a process of its own, on the core that is theirs, and reads what it found."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import cores
from bench.drivers import CONNECTIONS, request
from bench.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from bench.servers import Server

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_POLITE = 19  # the niceness of a flood, so that whoever takes the time of others need not wait for it


class Figures(NamedTuple):
    """What one run of a driver found."""

    rps: float
    p50_ms: float
    p99_ms: float
    requests: int
    cpu_us: float = 0.0  # the server's processor time for each request, which a busy machine blurs least


class WrongAnswerError(RuntimeError):
    """Something was answered otherwise than it deserved, and must not be measured."""


def has_wrk() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


def has_locust() -> bool:
    """Whether locust is installed in this environment."""
    return importlib.util.find_spec("locust") is not None


async def metered(server: Server, run: Awaitable[Figures]) -> Figures:
    """What *run* found, with the processor time that *server* took meanwhile."""
    before = server.cpu_seconds()
    figures = await run
    return figures._replace(cpu_us=(server.cpu_seconds() - before) / figures.requests * 1e6)


async def wrk(port: int, header: tuple[str, str], seconds: float) -> Figures:
    """One thread of wrk."""
    arguments = ["-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency", "--timeout=10s"]
    printed = await _run(["wrk", *arguments, "-H", ": ".join(header), f"http://127.0.0.1:{port}/items"])
    return understood(printed)


def understood(printed: str) -> Figures:
    """Read what wrk *printed*; raise WrongAnswerError where not everything was answered 200."""
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise WrongAnswerError(printed)
    found = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    shares = {
        share: float(number) * _SECONDS[unit]
        for share, number, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s|m)", printed)
    }
    count = re.search(r"(\d+) requests in", printed)
    assert found is not None, printed
    assert count is not None, printed
    return Figures(float(found[1]), shares["50"] * 1000, shares["99"] * 1000, int(count[1]))


async def own(port: int, header: tuple[str, str], seconds: float) -> Figures:
    """The driver that needs nothing installed."""
    wanted = {"port": port, "connections": CONNECTIONS, "seconds": seconds, "request": request([header])}
    found = await _small("closed_loop", wanted)
    if list(found["statuses"]) != ["200"]:
        raise WrongAnswerError(str(found["statuses"]))
    return Figures(found["rps"], found["p50_ms"], found["p99_ms"], found["statuses"]["200"])


async def fixed_rate(
    port: int, headers: Sequence[tuple[str, str]], rate: float, seconds: float, *, is_flood: bool = False
) -> dict[str, Any]:
    """Ask at a fixed *rate*, each time with the next of *headers*; a flood neither waits nor makes others wait."""
    wanted = {
        "port": port,
        "rate": rate,
        "seconds": seconds,
        "requests": [request([header]) for header in headers],
        "connections": 64 if is_flood else 16,
        "patient": not is_flood,
    }
    return await _small("fixed_rate", wanted, polite=is_flood)


async def locust(port: int, key: str, seconds: float) -> Figures:
    """Locust with our locustfile and valid keys alone. Most of the time that it finds is its own."""
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder, "keys.txt")
        keys.write_text(f"valid {key}\n", encoding="utf-8")  # noqa: ASYNC240 - nothing else goes on meanwhile
        time = max(4, round(seconds))  # its users take part of that to start
        users = [f"--users={CONNECTIONS}", f"--spawn-rate={CONNECTIONS}", f"--run-time={time}s"]
        where = ["--locustfile=bench/locustfile.py", f"--host=http://127.0.0.1:{port}"]
        command = [sys.executable, "-m", "locust", "--headless", "--json", "--only-summary", *users, *where]
        printed = await _run(command, environ={"KEYFOB_KEYS": str(keys)})
    (row,) = json.loads(printed) or [{"num_failures": "all"}]
    if row["num_failures"]:
        raise WrongAnswerError(printed)
    took = sorted((float(ms), count) for ms, count in row["response_times"].items())
    lasted = row["last_request_timestamp"] - row["start_time"]
    return Figures(row["num_requests"] / lasted, _share(took, 0.5), _share(took, 0.99), row["num_requests"])


def _share(took: list[tuple[float, int]], share: float) -> float:
    """The quantile of a histogram."""
    rest = share * sum(count for _, count in took)
    for value, count in took:
        rest -= count
        if rest <= 0:
            return value
    return took[-1][0]


async def _small(name: str, wanted: dict[str, Any], *, polite: bool = False) -> dict[str, Any]:
    command = [sys.executable, "-m", f"bench.drivers.{name}"]
    if polite and shutil.which("nice") is not None:
        command = ["nice", f"-n{_POLITE}", *command]
    found: dict[str, Any] = json.loads(await _run(command, stdin=json.dumps(wanted)))
    return found


async def _run(command: list[str], *, stdin: str = "", environ: Mapping[str, str] | None = None) -> str:
    with cores.started_on(cores.DRIVER):
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env={**os.environ, **(environ or {})},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    printed, complaints = await process.communicate(stdin.encode())
    if process.returncode != 0:
        raise WrongAnswerError(complaints.decode(errors="replace"))
    return printed.decode()
