from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event, Semaphore
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.conftest import ROUNDS, wait_for
from tests.end_to_end.raw import Answer, Wire, request
from tests.end_to_end.refusals import kind_of
from tests.end_to_end.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from keyfob.testing import Issued
    from tests.end_to_end.conftest import Origin

WORKERS = 4


@pytest.fixture(scope="module")
def many(place: Origin, logs: Callable[[], Path]) -> Iterator[Server]:
    """Four workers behind one port, that trust this host to say who calls."""
    server = Server(place.here, logs(), http="httptools", workers=WORKERS, trusted_proxies=["127.0.0.1"])
    yield server
    server.stop()


@pytest.fixture(scope="module")
def wires(many: Server) -> Iterator[list[Wire]]:
    """One connection that stays open to each of the workers."""
    by_worker: dict[int, Wire] = {}
    while len(by_worker) < WORKERS:
        wire = many.wire()
        wire.send(request("/_/stats"))
        pid = wire.answer().json["pid"]
        if pid in by_worker:
            wire.close()
        else:
            by_worker[pid] = wire
    yield list(by_worker.values())
    for wire in by_worker.values():
        wire.close()


def _ask(
    wire: Wire, target: str, issued: Issued | None = None, *, method: str = "GET", ip: str = "203.0.113.1"
) -> Answer:
    headers = {**(issued.headers if issued else {}), "X-Forwarded-For": ip}
    wire.send(request(target, headers, method=method))
    return wire.answer()


def _switch(wire: Wire, how: str, issued: Issued) -> None:
    assert 200 == _ask(wire, f"/_/switch/{how}/{issued.record.id}", method="POST").status


def test_mw_03_a_disabled_key_is_refused_by_every_worker_at_once(wires: list[Wire], place: Origin) -> None:
    """When disabling has returned in one worker, the next request on each other one is refused, every time."""
    issued = place.issue("items:read")
    for turn in range(ROUNDS):
        writer = wires[turn % WORKERS]
        others = [wire for wire in wires if wire is not writer]
        assert [200] * WORKERS == [_ask(wire, "/items", issued).status for wire in wires], f"round {turn}"
        _switch(writer, "off", issued)

        kinds = [kind_of(_ask(wire, "/items", issued)) for wire in (*others, writer)]
        assert ["B401"] * WORKERS == kinds, f"round {turn}"
        _switch(writer, "on", issued)


def test_mw_03_a_change_made_outside_the_server_is_seen_by_every_worker_at_once(
    wires: list[Wire], place: Origin
) -> None:
    """The same when another process of this host, such as the command line, disables the key."""
    issued = place.issue("items:read")
    for turn in range(ROUNDS // 4):
        assert [200] * WORKERS == [_ask(wire, "/items", issued).status for wire in wires], f"round {turn}"
        place.disable(issued)
        assert ["B401"] * WORKERS == [kind_of(_ask(wire, "/items", issued)) for wire in wires], f"round {turn}"
        place.enable(issued)


def test_mw_01_no_worker_admits_what_was_disabled_before_the_request_began(wires: list[Wire], place: Origin) -> None:
    """While all workers are busy with a key, no request that began after its disabling is admitted."""
    for _ in range(max(ROUNDS // 20, 2)):
        issued = place.issue("items:read")
        is_over, admitted = Event(), Semaphore(0)
        with ThreadPoolExecutor(WORKERS) as callers:
            last = [callers.submit(_insist, wire, issued, is_over, admitted) for wire in wires]
            for _ in range(20 * WORKERS):
                admitted.acquire()
            place.disable(issued)
            is_over.set()
            assert ["B401"] * WORKERS == [kind.result() for kind in last]


def test_lc_07_after_a_race_of_switches_all_workers_do_what_the_row_says(wires: list[Wire], place: Origin) -> None:
    """Twenty disable and twenty enable at once, from all workers; then each of them admits, or refuses, as stored."""
    issued = place.issue("items:read")
    for turn in range(max(ROUNDS // 20, 2)):
        assert [200] * WORKERS == [_ask(wire, "/items", issued).status for wire in wires], f"round {turn}"

        def race(number: int) -> None:
            for switch in range(40 // WORKERS):
                _switch(wires[number], "off" if (number + switch) % 2 else "on", issued)

        with ThreadPoolExecutor(WORKERS) as callers:
            list(callers.map(race, range(WORKERS)))

        stored = "B401" if place.view(issued).record.is_disabled else "200"
        assert [stored] * WORKERS == [kind_of(_ask(wire, "/items", issued)) for wire in wires], f"round {turn}"
        _switch(wires[0], "on", issued)


def _insist(wire: Wire, issued: Issued, is_over: Event, admitted: Semaphore) -> str:
    """Ask again and again; return the answer to the first request that began when all *is_over*."""
    while True:
        was_over = is_over.is_set()
        kind = kind_of(_ask(wire, "/items", issued))
        if was_over:
            return kind
        if kind == "200":
            admitted.release()


def test_mw_10_the_newest_use_wins_whichever_worker_writes_last(wires: list[Wire], place: Origin) -> None:
    """Over all workers, every use is counted, and the last use is the newest one's time and address."""
    issued, each = place.issue("items:read"), ROUNDS // 2

    def use(number: int) -> None:
        for turn in range(each):
            assert 200 == _ask(wires[number], "/items", issued, ip=f"198.51.{number}.{turn % 250}").status

    with ThreadPoolExecutor(WORKERS) as callers:
        list(callers.map(use, range(WORKERS)))
    began = datetime.now(UTC)
    assert 200 == _ask(wires[0], "/items", issued, ip="203.0.113.99").status
    ended = datetime.now(UTC)
    wait_for(lambda: place.uses(issued) == (WORKERS * each + 1, 0))

    last_used = place.view(issued).last_used
    assert last_used is not None
    assert "203.0.113.99" == last_used.ip
    assert began.replace(microsecond=0) <= last_used.at <= ended


def test_mw_06_a_worker_that_was_stuck_wakes_to_the_truth(server: Server, place: Origin) -> None:
    """A handler blocks the event loop; what was disabled meanwhile is refused by the very next decision."""
    issued, other = place.issue("items:read"), place.issue("items:read")
    assert 200 == server.ask("/items", issued.headers).status
    with server.wire() as blocking, server.wire() as wire:
        before = server.printed().count("blocking the loop")
        blocking.send(request("/block?seconds=1.2", other.headers))
        wait_for(lambda: server.printed().count("blocking the loop") > before)
        place.disable(issued)
        wire.send(request("/items", issued.headers))

        assert "B401" == kind_of(wire.answer(), issued.text)
        assert 200 == blocking.answer().status
