"""Connections between gateway, Keyfob and application that nobody has used for a while."""

from __future__ import annotations

import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from keyfob_admin.server import KEEP_ALIVE_SECONDS
from tests.end_to_end.gateways.conftest import (
    EXAMPLES,
    KINDS,
    PATIENCE,
    SHORT_KEEP_ALIVE,
    WRITTEN,
    arrangement,
    written,
)
from tests.end_to_end.raw import Wire

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

AT_ONCE = 6  # so many connections stay open beside each other
PAUSES = (0.8, 0.9, 1.0, 1.0, 1.02)  # of SHORT_KEEP_ALIVE: when a gateway closes, and when a server does
_IDLE = re.compile(r"(?:keepalive|keepalive_timeout|idle_timeout:|idleConnTimeout:) (\d+)s\b")


def test_ff_20_no_gateway_keeps_a_connection_for_longer_than_its_server() -> None:
    """Every example closes idle connections before Keyfob does (75 s) and an application under uvicorn (5 s)."""
    files = [file for kind in KINDS.values() for file in (kind.file, *kind.beside)]
    found = {file: _IDLE.findall((EXAMPLES / file).read_text(encoding="utf-8")) for file in files}

    assert {"60s": "75", "4s": "5"} == {idle: keep_alive for keep_alive, idle in WRITTEN.items()}
    assert 75 == KEEP_ALIVE_SECONDS
    assert {
        "nginx.conf": ["4", "60"],
        "Caddyfile": ["60", "4"],
        "envoy.yaml": ["4", "60"],
        "traefik.yaml": [],
        "traefik-routes.yaml": ["4"],
    } == found


@pytest.mark.parametrize("name", KINDS)
def test_ff_20_an_idle_connection_costs_no_request(name: str, tmp_path: Path) -> None:
    """A request that comes just when one side gives up an idle connection is answered like any other."""
    with arrangement(KINDS[name], tmp_path, SHORT_KEEP_ALIVE) as front, ThreadPoolExecutor(AT_ONCE) as clients:
        credential = f"Authorization: Bearer {front.issue('reader', '--permission', 'items:read')[1]}"

        def ask(_: int) -> int:
            return front.request("/invoices", credential).status

        for pause in (0.0, *PAUSES):
            time.sleep(pause * SHORT_KEEP_ALIVE)  # the pause between two requests is what is tried here
            assert [200] * AT_ONCE == list(clients.map(ask, range(AT_ONCE))), pause


@contextmanager
def _held_up(process: subprocess.Popen[str]) -> Iterator[None]:
    """The process gets no time meanwhile, as on a machine that has too much to do."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("name", KINDS)
def test_ff_20_a_connection_that_keyfob_closes_under_a_question_is_no_error(name: str, tmp_path: Path) -> None:
    """A Keyfob that was held up may give up a connection on which a question waits: the gateway asks again."""
    with arrangement(KINDS[name], tmp_path, SHORT_KEEP_ALIVE) as front:
        credential = f"Authorization: Bearer {front.issue('reader', '--permission', 'items:read')[1]}"
        for _ in range(3):
            assert 200 == front.request("/invoices", credential).status
            with Wire(front.port) as wire:
                wire.wait_at_most(PATIENCE)
                with _held_up(front.keyfob):
                    wire.send(written("/invoices", "Connection: close", credential))
                    time.sleep(1.2 * SHORT_KEEP_ALIVE)  # Keyfob's timer runs out meanwhile
                assert 200 == wire.answer().status
