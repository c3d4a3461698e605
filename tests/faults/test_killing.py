"""Servers and writers that end in the midst of their work."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.faults.conftest import ROUNDS, uses_of
from tests.wire.conftest import wait_for
from tests.wire.raw import CutOffError, request
from tests.wire.test_stopping import COMPLAINTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyfob.testing import Issued
    from tests.wire.conftest import Place
    from tests.wire.server import Server

SEED = int(os.environ.get("KEYFOB_TEST_SEED", "2031"))


@pytest.mark.timeout(60 + 2 * ROUNDS)
def test_sf_11_killed_again_and_again_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """After every kill -9 amid mixed changes the file is whole, says all that was acknowledged, and can be written."""
    command = [sys.executable, "-m", "tests.faults.killing", str(tmp_path), str(ROUNDS), str(SEED)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "") == (ended.returncode, ended.stderr)
    assert ended.stdout.startswith(f"rounds {ROUNDS}, operations ")
    print(ended.stdout)  # noqa: T201


def _insist(server: Server, issued: Issued) -> tuple[int, int]:
    """Ask until the server has gone; how many requests were sent, and how many of them were admitted."""
    sent = admitted = 0
    try:
        with server.wire() as wire:
            while True:
                wire.send(request("/items", issued.headers))
                sent += 1
                admitted += wire.answer().status == 200
    except (CutOffError, ConnectionError):
        return sent, admitted


@pytest.mark.parametrize(("http", "interval"), [("h11", 0.05), ("httptools", 1.0)])
def test_sf_12_workers_stopped_under_load_write_all_that_they_answered(
    alone: Callable[..., Server], own: Place, http: str, interval: float
) -> None:
    """SIGTERM amid requests, hashes and flushes: every use that was answered is written, and nobody complains."""
    server = alone(own, http=http, workers=2, usage_interval=interval, persist_proofs=False)
    busy = [own.issue("items:read") for _ in range(4)]
    with ThreadPoolExecutor(4) as callers:
        asking = [callers.submit(_insist, server, issued) for issued in busy]
        wait_for(lambda: all(uses_of(own, issued) > 30 for issued in busy))
        assert 0 == server.stop()
        for issued, counts in zip(busy, asking, strict=True):
            sent, admitted = counts.result()
            assert admitted <= uses_of(own, issued) <= sent

    assert [] == [line for line in server.printed().splitlines() if any(word in line for word in COMPLAINTS)]
