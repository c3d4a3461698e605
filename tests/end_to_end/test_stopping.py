from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.conftest import wait_for
from tests.end_to_end.raw import request
from tests.end_to_end.refusals import kind_of
from tests.end_to_end.set_clock import SetClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from keyfob.testing import Issued
    from tests.end_to_end.conftest import Origin
    from tests.end_to_end.server import Server

LOUD = {"PYTHONASYNCIODEBUG": "1", "PYTHONWARNINGS": "default"}
COMPLAINTS = ("Traceback", "Warning:", "never awaited", "was destroyed", "never retrieved", "Executing <")
DAY = 86_400  # seconds


def _use(server: Server, issued: Issued, times: int) -> None:
    with server.wire() as wire:
        wire.send(request("/items", issued.headers) * times)
        assert [200] * times == [wire.answer().status for _ in range(times)]


def _complaints(server: Server) -> list[str]:
    return [line for line in server.printed().splitlines() if any(word in line for word in COMPLAINTS)]


def test_sf_11_a_killed_server_loses_one_interval_at_most(
    alone: Callable[..., Server], place: Origin, http: str
) -> None:
    """What was used an interval before kill -9 is written down, and at most what was used since is lost."""
    server, issued = alone(place, http=http, usage_interval=0.3), place.issue("items:read")
    _use(server, issued, 20)
    wait_for(lambda: place.uses(issued)[0] == 20)
    _use(server, issued, 5)
    server.kill()

    written, _ = place.uses(issued)
    assert 20 <= written <= 25


def test_sf_11_a_stopped_server_loses_nothing(alone: Callable[..., Server], place: Origin, http: str) -> None:
    """After SIGTERM, every use is written down, however long the interval."""
    server, issued = alone(place, http=http, usage_interval=60, environ=LOUD), place.issue("items:read")
    _use(server, issued, 50)
    assert "F403" == kind_of(server.ask("/unknown", issued.headers))
    assert (0, 0) == place.uses(issued)
    server.stop()

    assert (50, 1) == place.uses(issued)
    assert [] == _complaints(server)


def test_sf_11_stopped_workers_lose_nothing(alone: Callable[..., Server], place: Origin) -> None:
    """The same of several workers at once."""
    server, issued = alone(place, http="httptools", workers=2, usage_interval=60), place.issue("items:read")
    for _ in range(30):
        assert 200 == server.ask("/items", issued.headers).status
    assert 0 == server.stop()

    assert (30, 0) == place.uses(issued)
    assert [] == _complaints(server)


def test_sf_12_a_server_that_is_stopped_at_work_ends_in_order(
    alone: Callable[..., Server], place: Origin, http: str
) -> None:
    """SIGTERM during a hash and with uses pending: the request is answered, all is written, and nothing complains."""
    slow = {"memory_kib": 65536, "time": 4}
    environ = {**LOUD, "PYTHONASYNCIODEBUG": ""}
    server = alone(place, http=http, environ=environ, usage_interval=60, persist_digests=False, argon2=slow)
    used, cold = place.issue("items:read"), place.issue("items:read")
    _use(server, used, 1)
    hashes = server.stats()["argon2_verifications"]
    with server.wire() as wire:
        wire.send(request("/items", cold.headers))
        wait_for(lambda: server.stats()["argon2_verifications"] > hashes)
        server.process.terminate()
        assert kind_of(wire.answer()) in {"200", "S503"}
    server.stop()

    assert (1, 0) == place.uses(used)
    assert [] == _complaints(server)


def test_sf_12_a_client_that_left_is_not_waited_for(alone: Callable[..., Server], place: Origin) -> None:
    """Clients that leave while their keys are being hashed stop neither the others nor the end."""
    server = alone(place, persist_digests=False, environ={**LOUD, "PYTHONASYNCIODEBUG": ""})
    for _ in range(5):
        with server.wire() as wire:
            wire.send(request("/items", place.issue("items:read").headers))
    issued = place.issue("items:read")
    _use(server, issued, 1)
    server.stop()

    assert (1, 0) == place.uses(issued)
    assert [] == _complaints(server)


def test_sf_13_a_mounted_application_starts_with_its_first_request(
    alone: Callable[..., Server], place: Origin, http: str
) -> None:
    """Without a lifespan the first request starts what runs in the background, and uses are written as elsewhere."""
    server, issued = alone(place, http=http, wiring={"kind": "inside"}, usage_interval=0.5), place.issue("m:read")
    assert 200 == server.ask("/m/x", issued.headers).status
    wait_for(lambda: place.uses(issued) == (1, 0))

    place.disable(issued)
    assert "B401" == kind_of(server.ask("/m/x", issued.headers), issued.text)
    server.stop()
    assert [] == _complaints(server)


def test_sf_13_an_application_without_lifespan_is_started_and_stopped(
    alone: Callable[..., Server], place: Origin, http: str
) -> None:
    """Around an application that raises on lifespan, as Django's does, Keyfob starts and writes the last uses."""
    wiring = {"kind": "plain"}
    server, issued = alone(place, http=http, wiring=wiring, usage_interval=60), place.issue("items:read")
    assert "N401" == kind_of(server.ask("/items"))
    _use(server, issued, 3)
    server.stop()

    assert (3, 0) == place.uses(issued)
    assert [] == _complaints(server)


@pytest.mark.parametrize(("http", "step"), [("h11", DAY), ("httptools", -DAY)])
def test_lc_09_a_clock_that_is_set_changes_nothing(
    alone: Callable[..., Server], new_place: Callable[[], Origin], tmp_path: Path, http: str, step: int
) -> None:
    """When the wall clock jumps by a day, cached keys stay, and disabling is in force as ever."""
    clock, place = SetClock(tmp_path), new_place()
    server = alone(place, http=http, environ=clock.environ, max_staleness=6.0)
    issued = [place.issue("items:read") for _ in range(3)]
    assert ["200"] * 3 == _asked_until_read(server, issued)[-1]
    today = server.ask("/open").one("date")
    clock.jump(step)
    wait_for(lambda: (server.ask("/open").one("date") or "")[:16] != (today or "")[:16])

    with server.unmoved("store_reads", "argon2_verifications"):
        for _ in range(8):  # longer than from one poll to the next, so that the lease is renewed under the new time
            assert ["200"] * 3 == _asked_until_read(server, issued)[-1]
            time.sleep(0.3)
    place.disable(issued[0])
    asked = _asked_until_read(server, issued)
    assert ["B401", "200", "200"] == asked[-1]
    assert "200" not in {kind for kind, *_ in asked}


def _asked_until_read(server: Server, issued: Sequence[Issued]) -> list[list[str]]:
    """What each key is answered, again and again as long as the store is read too slowly and an answer is 503."""
    each_once, asked = b"".join(request("/items", key.headers) for key in issued), list[list[str]]()
    with server.wire() as wire:
        while not asked or "S503" in asked[-1]:
            wire.send(each_once)
            asked.append([kind_of(wire.answer()) for _ in issued])
    return asked
