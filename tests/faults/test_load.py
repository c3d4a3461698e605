"""More work than there is room for: what junk costs, what is turned away, and what stays in memory."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING

import pytest

from keyfob.keys.format import new_secret
from keyfob.keys.hashing import Argon2Parameters, hash_secret
from keyfob.keys.record import StoredSecret
from keyfob.testing import CHEAP
from tests.end_to_end.forging import forged, tagged
from tests.end_to_end.raw import request
from tests.end_to_end.refusals import kind_of
from tests.faults.conftest import ROUNDS, issue_many, kind, kinds, memory, on_both_stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from keyfob.store.contract.transaction import Transaction
    from keyfob.testing import Issued
    from tests.end_to_end.conftest import Origin
    from tests.end_to_end.raw import Wire
    from tests.end_to_end.server import Server

JUNK = ROUNDS * 500  # distinct bad keys
ROOM = 33  # hashes computed or waiting, with one thread
BOUND = 0.6  # seconds
COSTLY = Argon2Parameters(memory_kib=16_384, time=2)


def _answers(wire: Wire, texts: Iterable[str], batch: int = 50) -> Counter[str]:
    """How often each kind of answer came for *texts*, one request each."""
    seen: Counter[str] = Counter()
    pending = list(texts)
    for start in range(0, len(pending), batch):
        some = pending[start : start + batch]
        wire.send(b"".join(request("/items", {"X-API-Key": text}) for text in some))
        seen.update(kind_of(wire.answer()) for _ in some)
    return seen


def _timed(server: Server, issued: Issued, is_over: Callable[[], bool]) -> tuple[set[str], list[float]]:
    """Ask with a good key, one request after the other; the answers, and how long each took in seconds."""
    seen: set[str] = set()
    took: list[float] = []
    with server.wire() as wire:
        while not is_over() or not took:
            began = time.perf_counter()
            seen.update(kinds(wire, issued))
            took.append(time.perf_counter() - began)
            time.sleep(0.005)
    return seen, sorted(took)


def _p99(took: list[float]) -> str:
    return f"p99 {1000 * took[int(len(took) * 0.99) - 1]:.2f} ms of {len(took)}"


@on_both_stores
def test_dl_01_bogus_keys_cost_neither_a_read_nor_a_hash(
    alone: Callable[..., Server], own: Origin, engine: str
) -> None:
    """Amid a flood of forged keys good ones pass as ever, and the forged ones reach neither database nor Argon2id."""
    server, issued = alone(own, http="httptools"), own.issue("items:read")
    assert "200" == kind(server, issued)
    bogus, over = [forged() for _ in range(4000 if engine == "sqlite" else 1500)], Event()
    count = iter(range(150))
    idle = _timed(server, issued, lambda: next(count, None) is None)[1]
    before = server.stats()
    with ThreadPoolExecutor(1) as other, server.wire() as wire, server.unmoved("store_reads", "argon2_verifications"):
        asking = other.submit(_timed, server, issued, over.is_set)
        seen = _answers(wire, bogus)
        over.set()
        good, flooded = asking.result()
    print(f"idle: {_p99(idle)}; amid {len(bogus)} bogus keys: {_p99(flooded)}")  # noqa: T201

    assert ({"B401": len(bogus)}, {"200"}) == (seen, good)
    assert len(bogus) == server.stats()["refused_by_tag"] - before["refused_by_tag"]


@pytest.mark.cases("DL-02", "DL-12")
@on_both_stores
def test_dl_02_who_has_the_keyring_still_gets_no_more_than_the_cap(alone: Callable[..., Server], own: Origin) -> None:
    """Of many wrong secrets under right tags a bounded number is hashed, the rest is 503, and cached keys pass."""
    server, issued = alone(own, http="httptools", argon2_threads=1), own.issue("items:read")
    victims = issue_many(own, 60, CHEAP, hash_secret(new_secret(), COSTLY))
    flood = [tagged(own.here.signing, victim.record.id) for victim in victims for _ in range(3)]
    assert "200" == kind(server, issued)
    before = server.stats()
    with ExitStack() as stack:
        wires = [stack.enter_context(server.wire()) for _ in flood]
        for wire, text in zip(wires, flood, strict=True):
            wire.send(request("/items", {"X-API-Key": text}))
        with server.wire() as wire:
            assert ["200"] * 50 == kinds(wire, issued, 50)
        handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        handshake |= {
            "Sec-WebSocket-Key": "A" * 22 + "==",
            "X-API-Key": tagged(own.here.signing, victims[-1].record.id),
        }
        socket = server.ask("/ws", handshake)
        answers = [wire.answer() for wire in wires]
    after = server.stats()
    seen = Counter(kind_of(answer, text) for answer, text in zip(answers, flood, strict=True))
    seen[kind_of(socket)] += 1  # one more of them, over a handshake; by then there may be room again
    shed = after["shed"] - before["shed"]
    hashed = after["argon2_verifications"] - before["argon2_verifications"]

    assert len(flood) + 1 == seen["B401"] + seen["S503"]
    assert (seen["B401"], True) == (hashed, 0 < shed <= seen["S503"])  # more 503 where the store itself is late
    assert hashed <= 2 * ROOM  # those that fit at once, and those for whom room was made while the flood came in
    assert 1 == len({str(answer.without_date) for answer in answers if answer.status == 503})
    print(f"{len(flood)} wrong secrets at once: {hashed} hashed, {shed} turned away")  # noqa: T201


@on_both_stores
def test_dl_04_the_loop_turns_while_hashes_are_computed(alone: Callable[..., Server], own: Origin) -> None:
    """Amid the flood of DL-02 the event loop answers again and again in the midst of one hash."""
    server, issued = alone(own, http="httptools", argon2_threads=1), own.issue("items:read")
    phc = hash_secret(new_secret(), Argon2Parameters(memory_kib=65_536, time=4))
    victims = issue_many(own, 4, CHEAP, phc)
    assert "200" == kind(server, issued)
    in_one_hash: Counter[int] = Counter()  # by how many hashes were begun, how many requests were answered meanwhile
    took: list[float] = []
    with ExitStack() as stack:
        wires = [stack.enter_context(server.wire()) for _ in victims]
        for wire, victim in zip(wires, victims, strict=True):
            wire.send(request("/items", {"X-API-Key": tagged(own.here.signing, victim.record.id)}))
        flood, asking = stack.enter_context(ThreadPoolExecutor(1)), stack.enter_context(server.wire())
        answers = flood.submit(lambda: [kind_of(wire.answer()) for wire in wires])
        while not answers.done():
            began = time.perf_counter()
            asking.send(request("/_/stats"))
            in_one_hash[asking.answer().json["argon2_verifications"]] += 1
            took.append(time.perf_counter() - began)
            time.sleep(0.005)  # hashes step back behind everything else, and few cores are left for them

    assert ["B401"] * len(victims) == answers.result()
    assert len(victims) <= sum(times > 3 for times in in_one_hash.values())
    print(f"the loop's own lag amid hashes: {_p99(sorted(took))}")  # noqa: T201


@on_both_stores
def test_dl_06_two_hundred_cold_keys_at_once_are_never_401(alone: Callable[..., Server], own: Origin) -> None:
    """When all keys are new to a worker at once, each passes or is 503, memory stays bounded, and all pass later."""
    cost = Argon2Parameters(4096, 1)
    place = {"memory_kib": cost.memory_kib, "time": cost.time}
    server = alone(own, http="httptools", argon2_threads=1, persist_digests=False, argon2=place)
    cold = issue_many(own, 200, cost)
    before = memory(server)
    with ExitStack() as stack:
        wires = [stack.enter_context(server.wire()) for _ in cold]
        for wire, issued in zip(wires, cold, strict=True):
            wire.send(request("/items", issued.headers))
        first = [kind_of(wire.answer(), issued.text) for wire, issued in zip(wires, cold, strict=True)]
    rise = memory(server, "VmHWM") - before

    assert {"200", "S503"} == set(first)
    assert rise <= 4 + 100  # MiB: one hash at a time, and what is told besides
    turned_away = [issued for issued, kind in zip(cold, first, strict=True) if kind == "S503"]
    with server.wire() as wire:
        assert {"200": len(turned_away)} == _answers(wire, [issued.text for issued in turned_away])
    print(f"of 200 cold keys {len(turned_away)} were asked to come again; memory rose by {rise:.1f} MiB")  # noqa: T201


@on_both_stores
def test_dl_07_ten_thousand_changed_rows_cost_no_hash(alone: Callable[..., Server], own: Origin) -> None:
    """When every key of a team changes at once, keys that a worker knows pass on without a read or a hash."""
    server = alone(own, http="httptools", persist_digests=False, max_staleness=BOUND)
    known = issue_many(own, 60, CHEAP)
    _add_ten_thousand_like(own, known[0])
    texts = [issued.text for issued in known]
    with server.wire() as wire:
        assert {"200": len(known)} == _answers(wire, texts)
        with server.unmoved("argon2_verifications", "store_reads"):
            own.run(lambda here: here.store.change(lambda rows: _change_all(rows, known[0])))
            _wait_until_in_force(own)
            assert {"B401": 1} == _answers(wire, texts[:1])  # so that all is known to have been taken over
            assert {"200": len(known) - 1} == _answers(wire, texts[1:])


def _add_ten_thousand_like(place: Origin, issued: Issued) -> None:
    """Put copies of one key's row into the database, past all rules."""
    record = place.view(issued).record
    many = [replace(record, id=f"copy{number:012}") for number in range(10_000)]

    async def add(rows: Transaction) -> None:
        revision = await rows.next_revision()
        for start in range(0, len(many), 1000):
            await rows.add_keys([(each, StoredSecret("none", None)) for each in many[start : start + 1000]], revision)

    place.run(lambda here: here.store.change(add))


async def _change_all(rows: Transaction, disabled: Issued) -> None:
    await rows.stamp_team_keys("default")
    await rows.put_key(replace(disabled.record, disabled_at=datetime.now(UTC)))


def _wait_until_in_force(place: Origin) -> None:
    """Wait until what has been changed here is promised to be in force in every server."""
    if not place.here.store.is_immediate:
        time.sleep(BOUND)


@pytest.mark.timeout(60 + JUNK // 200)
@pytest.mark.cases("CR-11", "DL-11")
@on_both_stores
def test_cr_11_distinct_bad_keys_do_not_fill_the_memory(alone: Callable[..., Server], own: Origin, engine: str) -> None:
    """However many different bad keys come, the worker grows by less than 20 MiB, and good keys stay cached."""
    mixed = engine == "sqlite"  # or nothing but what is made with a keyring that was stolen, and costs a read each
    step, size = (JUNK // 10, 100_000) if mixed else (JUNK // 200, 400)
    server = alone(own, http="httptools", max_staleness=600, cache_size=size)
    issued, keyring = own.issue("items:read"), own.here.signing

    def junk(count: int) -> Iterable[str]:
        for number in range(count):
            text = forged() if mixed and number % 4 else tagged(keyring)
            yield text[:-1] + "-" if mixed and number % 4 == 1 else text

    first = tagged(keyring)
    with server.wire() as wire:
        assert ["200"] == kinds(wire, issued)
        with server.unmoved("argon2_verifications"):
            _answers(wire, [first, *junk(1000 if mixed else 300)])
        with server.unmoved("store_reads"):
            assert {"B401": 1} == _answers(wire, [first])
        before, hashes = memory(server), server.stats()["argon2_verifications"]
        for _ in range(10):
            assert {"B401": step} == _answers(wire, junk(step))
            with server.unmoved("store_reads"):
                assert ["200"] == kinds(wire, issued)
        rise = memory(server) - before
        reads = server.stats()["store_reads"]
        assert {"B401": 1} == _answers(wire, [first])
    assert reads + 1 == server.stats()["store_reads"]  # it was forgotten: what is remembered has a bound
    assert hashes == server.stats()["argon2_verifications"]
    assert rise < 20
    print(f"{10 * step} distinct bad keys: memory rose by {rise:.1f} MiB")  # noqa: T201


@on_both_stores
def test_dl_11_more_good_keys_than_the_cache_holds_leave_memory_flat(
    alone: Callable[..., Server], own: Origin, engine: str
) -> None:
    """Keys that push each other out of a small cache all pass, round after round, and nothing is left behind."""
    server = alone(own, http="httptools", cache_size=50)
    texts = [issued.text for issued in issue_many(own, 500 if engine == "sqlite" else 200, CHEAP)]
    with server.wire() as wire:
        assert {"200": len(texts)} == _answers(wire, texts)
        before = memory(server)
        for _ in range(max(3, ROUNDS // 10)):
            reads = server.stats()["store_reads"]
            assert {"200": len(texts)} == _answers(wire, texts)
            assert len(texts) == server.stats()["store_reads"] - reads  # each was pushed out since its last turn
        rise = memory(server) - before
    assert rise < 8
    print(f"{len(texts)} good keys through a cache of 50: memory rose by {rise:.1f} MiB")  # noqa: T201
