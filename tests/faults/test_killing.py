"""Servers and writers that end in the midst of their work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import TYPE_CHECKING

import pytest

from keyfob.testing import CHEAP
from tests.end_to_end.conftest import wait_for
from tests.end_to_end.raw import CutOffError, request
from tests.end_to_end.test_stopping import COMPLAINTS
from tests.faults.conftest import ROUNDS, issue_many, kinds, on_both_stores, uses_of
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from keyfob.testing import Issued
    from tests.end_to_end.conftest import Origin
    from tests.end_to_end.server import Server

SEED = int(os.environ.get("KEYFOB_TEST_SEED", "2031"))


@pytest.fixture
def address(portal: BlockingPortal, tmp_path: Path, engine: str) -> Iterator[str]:
    """Where a store is to be made."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path}/keyfob.db"
        return
    with portal.wrap_async_context_manager(fresh_database(empty=True)) as url:
        yield url


def _killed(whom: str, folder: Path, rounds: int, *address: str) -> None:
    """Hold that the killing found nothing."""
    command = [sys.executable, "-m", "tests.faults.killing", whom, str(folder), str(rounds), str(SEED), *address]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "") == (ended.returncode, ended.stderr)
    assert ended.stdout.startswith(f"rounds {rounds}, operations ")
    print(ended.stdout)  # noqa: T201


@pytest.mark.timeout(60 + 2 * ROUNDS)
@on_both_stores
def test_sf_11_killed_again_and_again_nothing_acknowledged_is_lost(tmp_path: Path, address: str, engine: str) -> None:
    """After every kill -9 amid mixed changes the store is whole, says all that was acknowledged, and can be written."""
    _killed("clients", tmp_path, ROUNDS if engine == "sqlite" else ROUNDS // 4, address)


@pytest.mark.timeout(60 + ROUNDS)
def test_sf_11_a_database_that_is_killed_has_all_that_was_acknowledged(tmp_path: Path) -> None:
    """PostgreSQL killed amid changes, or a part of it, keeps every one, whatever it is set to; clients go on alone."""
    _killed("server", tmp_path, max(4, ROUNDS // 10))


def _insist(server: Server, issued: Iterable[Issued]) -> tuple[Counter[str], Counter[str]]:
    """Ask with one key after the other until the server has gone; how often each was sent, and how often admitted."""
    sent, admitted = Counter[str](), Counter[str]()
    try:
        with server.wire() as wire:
            for each in issued:
                wire.send(request("/items", each.headers))
                sent[each.record.id] += 1
                admitted[each.record.id] += wire.answer().status == 200
    except (CutOffError, ConnectionError):
        return sent, admitted
    raise AssertionError("the server outlived all of these keys")


@pytest.mark.parametrize(
    ("http", "interval", "engine"),
    [("h11", 0.05, "sqlite"), ("httptools", 1.0, "sqlite"), ("h11", 1.0, "postgres"), ("httptools", 0.05, "postgres")],
)
def test_sf_12_workers_stopped_under_load_write_all_that_they_answered(
    alone: Callable[..., Server], own: Origin, http: str, interval: float
) -> None:
    """SIGTERM amid requests, hashes and flushes: every use that was answered is written, and nobody complains."""
    slow = {"memory_kib": 32_768, "time": 2}  # by which a secret that was proved is hashed anew
    server = alone(own, http=http, workers=2, usage_interval=interval, persist_digests=False, argon2=slow)
    busy, cold = [own.issue("items:read") for _ in range(4)], issue_many(own, 400, CHEAP)
    known = {issued.record.id: issued for issued in (*busy, *cold)}
    with ThreadPoolExecutor(6) as callers:
        asking = [callers.submit(_insist, server, repeat(issued)) for issued in busy]
        wait_for(lambda: all(uses_of(own, issued) > 30 for issued in busy))
        asking += [callers.submit(_insist, server, some) for some in (cold[::2], cold[1::2])]
        wait_for(lambda: uses_of(own, cold[0]) and uses_of(own, cold[1]))
        assert 0 == server.stop()
        for sent, admitted in (counts.result() for counts in asking):
            for key, times in sent.items():
                assert admitted[key] <= uses_of(own, known[key]) <= times

    assert [] == [line for line in server.printed().splitlines() if any(word in line for word in COMPLAINTS)]


@pytest.mark.parametrize("engine", ["postgres"])
def test_sf_11_a_host_that_is_killed_loses_one_interval_at_most(alone: Callable[..., Server], own: Origin) -> None:
    """After kill -9 of a server, every use that is older than the interval is in the database of all hosts."""
    server, issued = alone(own, http="httptools", usage_interval=0.3), own.issue("items:read")
    answered: list[float] = []
    began = time.monotonic()
    with server.wire() as wire:
        while time.monotonic() < began + 1.5:
            assert ["200"] * 5 == kinds(wire, issued, 5)
            answered += [time.monotonic()] * 5
    server.kill()
    killed = time.monotonic()

    written = uses_of(own, issued)
    assert sum(at < killed - 0.8 for at in answered) <= written <= len(answered)  # half a second is for the writing
    assert written
