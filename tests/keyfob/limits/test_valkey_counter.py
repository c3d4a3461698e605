from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from valkey.asyncio import Valkey

from keyfob.errors import ConfigError, LimitsUnavailable
from keyfob.limits import valkey_counter
from keyfob.limits.valkey_counter import ValkeyCounter
from keyfob.limits.windows import NS
from tests.keyfob.limits.counter_contract import meter
from tests.tcp_proxy import network_to
from tests.valkey_server import KINDS, valkey_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from keyfob.limits.windows import Meter

DAY = 86_400  # no test lasts long enough to see two of them, but for one at midnight, which is right then, too


@pytest.fixture(scope="module", params=KINDS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with valkey_server(request.param) as address:
        yield address


@pytest.fixture
async def client(url: str) -> AsyncIterator[Valkey]:
    client = Valkey.from_url(url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def counter(url: str, client: Valkey, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ValkeyCounter]:
    monkeypatch.setattr(valkey_counter, "PATIENCE", 60)  # no test depends on how quick the machine is
    counter = ValkeyCounter(url)
    yield counter
    await counter.disconnect()


def daily(name: str, amount: int, of: str = "k1") -> Meter:
    return meter(f"{name}-day", amount, DAY, of)


async def test_no_more_than_the_amount_passes(counter: ValkeyCounter) -> None:
    """The first requests pass, each seeing itself counted, and what is beyond is refused."""
    outcomes = [await counter.take_remotely((daily("a", 3),), 1) for _ in range(5)]

    assert [True, True, True, False, False] == [outcome.has_room for outcome in outcomes]
    assert [2, 1, 0, 0, 0] == [outcome.standings[0].remaining for outcome in outcomes]


async def test_all_or_nothing(counter: ValkeyCounter) -> None:
    """Where one limit has no room, none of the others is charged, and reading charges none."""
    wide, narrow = daily("a", 10), daily("b", 5)
    assert (await counter.take_remotely((wide, narrow), 4)).has_room

    for cost in (2, 0):
        outcome = await counter.take_remotely((wide, narrow), cost)
        assert (not cost) == outcome.has_room
        assert [6, 1] == [standing.remaining for standing in outcome.standings]


async def test_the_window_before_weighs_on_this_one(counter: ValkeyCounter, client: Valkey) -> None:
    """What passed yesterday counts for as much of the day as is still to come."""
    await counter.take_remotely((daily("a", 1000),), 1)
    (key,) = await client.keys("keyfob:limits:*")
    window = int(await client.hget(key, "w"))  # type: ignore[misc] # of either kind of client
    await client.hset(key, mapping={"w": window - 1, "c": 1000, "p": 5000})  # type: ignore[misc]

    outcome = await counter.take_remotely((daily("a", 1000),), 1)
    standing = outcome.standings[0]

    assert (outcome.has_room, 1000) == (standing.fits(), standing.previous)
    assert window * DAY * NS <= standing.now < (window + 1) * DAY * NS


async def test_a_clock_that_stepped_back_a_little_goes_on_in_the_later_window(
    counter: ValkeyCounter, client: Valkey
) -> None:
    """After a change to a server whose clock is behind, the window that was counted last goes on."""
    await counter.take_remotely((daily("a", 1000),), 1)
    (key,) = await client.keys("keyfob:limits:*")
    window = int(await client.hget(key, "w"))  # type: ignore[misc]
    await client.hset(key, mapping={"w": window + 1, "c": 999, "p": 0})  # type: ignore[misc]

    outcomes = [await counter.take_remotely((daily("a", 1000),), 1) for _ in range(2)]

    assert [True, False] == [outcome.has_room for outcome in outcomes]
    assert (window + 1) * DAY * NS == outcomes[0].standings[0].now


async def test_what_is_over_is_forgotten(counter: ValkeyCounter, client: Valkey) -> None:
    """A count ends with the window after its own, so that the server does not fill up."""
    await counter.take_remotely((daily("a", 10),), 1)
    (key,) = await client.keys("keyfob:limits:*")

    assert 0 < await client.pttl(key) <= 2 * DAY * 1000


async def test_processes_count_together(url: str, counter: ValkeyCounter, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask at once, no more pass than the amount."""
    others = [ValkeyCounter(url) for _ in range(3)]
    takes = [one.take_remotely((daily("a", 50), daily("b", 60)), 1) for _ in range(30) for one in (counter, *others)]
    outcomes = await asyncio.gather(*takes)

    assert 50 == sum(outcome.has_room for outcome in outcomes)
    for other in others:
        await other.disconnect()


async def test_a_server_that_forgot_the_script_is_told_again(counter: ValkeyCounter, client: Valkey) -> None:
    """A restarted server knows no scripts."""
    await counter.take_remotely((daily("a", 10),), 1)
    await client.script_flush()

    assert 8 == (await counter.take_remotely((daily("a", 10),), 1)).standings[0].remaining


async def test_after_a_failure_nobody_waits(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the server is away, one request a second asks; all others are told at once."""
    monkeypatch.setattr(valkey_counter, "PROBE_EVERY", 10_000)
    async with network_to(url) as way:
        counter = ValkeyCounter(way.url)
        way.go_down()
        calls: list[Any] = []
        asking = counter._call

        async def counted(*args: Any) -> Any:
            calls.append(args)
            return await asking(*args)

        monkeypatch.setattr(counter, "_call", counted)
        for _ in range(5):
            with pytest.raises(LimitsUnavailable):
                await counter.take_remotely((daily("c", 10),), 1)
        assert 1 == len(calls)

        way.recover()
        monkeypatch.setattr(valkey_counter, "PATIENCE", 60)
        counter._ask_again_at = 0.001  # as if the second were over
        assert (await counter.take_remotely((daily("c", 10),), 1)).has_room
        assert (await counter.take_remotely((daily("c", 10),), 1)).has_room
        assert 3 == len(calls)
        await counter.disconnect()


async def test_a_server_that_says_nothing_is_not_waited_for(url: str, client: Valkey) -> None:
    """A call ends after a quarter of a second, and a late answer is nobody else's."""
    async with network_to(url) as way:
        counter = ValkeyCounter(way.url)
        way.black_hole()
        with pytest.raises(LimitsUnavailable, match="Valkey does not answer"):
            await counter.take_remotely((daily("d", 10),), 1)

        way.recover()
        counter._ask_again_at = 0.0
        outcome = await _eventually(counter, (daily("e", 7),))
        assert 7 == outcome.standings[0].meter.amount
        assert outcome.standings[0].remaining < 7
        await counter.disconnect()


async def _eventually(counter: ValkeyCounter, meters: tuple[Meter, ...]) -> Any:
    """Count as soon as the server answers in time, which on a busy machine may take some calls."""
    while True:
        try:
            return await counter.take_remotely(meters, 1)
        except LimitsUnavailable:
            counter._ask_again_at = 0.0


def test_another_event_loop_gets_connections_of_its_own(url: str) -> None:
    """What was opened in a loop that is gone is not used in another."""
    counter = ValkeyCounter(url)

    async def take() -> Any:
        outcome = await _eventually(counter, (daily("f", 1000),))
        assert counter._client is not None
        await counter._client.aclose()
        return outcome

    assert asyncio.run(take()).has_room
    assert asyncio.run(take()).has_room


def test_the_extra_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the client library, the settings are refused with the name of the extra."""
    monkeypatch.setitem(sys.modules, "valkey.asyncio", None)
    with pytest.raises(ConfigError, match=r"keyfob\[valkey\]"):
        ValkeyCounter("valkey://127.0.0.1")
