"""Workers that are forked, and workers that are stopped in mid-life."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import StoreUnavailable
from tests.faults.conftest import kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyfob.testing import Issued
    from tests.end_to_end.conftest import Origin
    from tests.end_to_end.raw import Wire
    from tests.end_to_end.server import Server

FORKING = """
    import asyncio, os, sys
    from pathlib import Path
    from keyfob import APIKeyMiddleware
    from keyfob.testing import installation
    from tests.keyfob.conftest import Echo, RULES, ask

    async def issue():
        async with installation(Path(sys.argv[1])) as here:
            return here.options, [await here.issue("items:read") for _ in range(4)]

    options, keys = asyncio.run(issue())
    app = APIKeyMiddleware(Echo(), **options, rules=RULES, persist_digests=False, max_staleness=0.2)

    async def asked(which):
        return (await asyncio.wait_for(ask(app, "/items", keys[which].headers), 10)).status

    async def ended():
        await app.runtime.stop()

    def in_a_fork(work):
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            print(work())
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)
"""


def _run(program: str, folder: Path) -> list[str]:
    """What *program*, which begins as `FORKING`, prints; it may end in no other way than well."""
    source = textwrap.dedent(FORKING) + textwrap.dedent(program)
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", source, str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (0, "") == (ended.returncode, ended.stderr)
    return ended.stdout.split()


def test_a_fork_of_what_was_built_and_not_used_works(tmp_path: Path) -> None:
    """A server that builds the application before it forks its workers, as is usual, is served in each of them."""
    program = """
        in_a_fork(lambda: asyncio.run(asked(0)))
        in_a_fork(lambda: asyncio.run(asked(1)))
        print(asyncio.run(asked(0)))
        asyncio.run(ended())
    """
    assert ["200"] * 3 == _run(program, tmp_path)


def test_a_fork_of_what_was_used_and_stopped_works(tmp_path: Path) -> None:
    """After a stop nothing is open that a fork could inherit."""
    program = """
        print(asyncio.run(asked(0)))
        async def used_and_stopped():
            status = await asked(1)
            await ended()
            return status
        print(asyncio.run(used_and_stopped()))
        in_a_fork(lambda: asyncio.run(asked(2)))
        print(asyncio.run(asked(0)))
        asyncio.run(ended())
    """
    assert ["200"] * 4 == _run(program, tmp_path)


def test_a_fork_of_what_was_used_in_a_loop_that_ended_works(tmp_path: Path) -> None:
    """An event loop that ends takes its connections with it, though nobody said stop, in the midst of whatever read."""
    program = """
        async def asked_and_reading(which):
            status = await asked(which)
            reads = [asyncio.create_task(app.runtime.store.find("x" * 16)) for _ in range(200)]
            await asyncio.sleep(0)
            return status
        for which in range(3):
            print(asyncio.run(asked_and_reading(which)))
            in_a_fork(lambda: asyncio.run(asked_and_reading(3)))
        asyncio.run(ended())
    """
    assert ["200"] * 6 == _run(program, tmp_path)


def test_a_fork_in_the_midst_of_use_is_refused_in_words(tmp_path: Path) -> None:
    """A child that inherits an open database answers 503 and says why; its parent is none the worse."""
    program = """
        import logging
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        async def asked_late(which):
            await asyncio.sleep(0.3)  # what the parent knew is out of date
            return await asked(which)
        with asyncio.Runner() as runner:
            print(runner.run(asked(0)))
            in_a_fork(lambda: asyncio.run(asked(1)))
            in_a_fork(lambda: asyncio.run(asked_late(0)))
            print(runner.run(asked(2)), runner.run(asked(0)))
            runner.run(ended())
    """
    printed = _run(program, tmp_path)

    assert "this process was forked after the database was opened" in " ".join(printed)
    assert ["200", "503", "503", "200", "200"] == [word for word in printed if word.isdigit()]


def test_a_fork_still_hashes(tmp_path: Path) -> None:
    """Threads are not inherited by a fork; a pool that has been used makes itself new ones there."""
    program = """
        from keyfob.keys.hash_pool import Argon2Pool
        pool = Argon2Pool(threads=1)
        print(asyncio.run(pool.run(str.upper, "parent")))
        in_a_fork(lambda: asyncio.run(asyncio.wait_for(pool.run(str.upper, "child"), 10)))
        pool.close()
    """
    assert ["PARENT", "CHILD"] == _run(program, tmp_path)


@pytest.fixture
def two(alone: Callable[..., Server], own: Origin) -> Server:
    return alone(own, workers=2, http="httptools", max_staleness=0.4)


def _disable_while_stopped(own: Origin, issued: Issued, pid: int) -> None:
    """Stop the worker *pid*, then disable the key. One that was stopped amid a write of its own must end that first."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        try:
            own.disable(issued)
        except StoreUnavailable:
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("has_signal", [True, False], ids=["change signal", "lease alone"])
def test_mw_06_a_worker_that_was_stopped_wakes_to_the_truth(two: Server, own: Origin, *, has_signal: bool) -> None:
    """A key disabled while a worker stands still is refused by its first decision afterwards, change_signal or not."""
    wires: dict[int, Wire] = {}
    while len(wires) < 2:
        wire = two.wire()
        wire.send(b"GET /_/stats HTTP/1.1\r\nHost: x\r\n\r\n")
        pid = wire.answer().json["pid"]
        wires.setdefault(pid, wire)
        if wires[pid] is not wire:
            wire.close()
    if not has_signal:
        path = own.here.folder / "keyfob.db-signal"
        path.unlink()
        path.mkdir()
        time.sleep(0.4)
    for turn in range(6):
        pid, wire = list(wires.items())[turn % 2]
        issued = own.issue("items:read")
        assert ["200", "200"] == [kind for each in wires.values() for kind in kinds(each, issued)]
        try:
            _disable_while_stopped(own, issued, pid)
            wire.send(f"GET /items HTTP/1.1\r\nHost: x\r\nX-API-Key: {issued.text}\r\n\r\n".encode())
            time.sleep(0.05 if has_signal else 0.6)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert 401 == wire.answer().status, f"round {turn}"
        assert ["B401"] == kinds(wire, issued)
    for wire in wires.values():
        wire.close()
