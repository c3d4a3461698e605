from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Saturated
from tests.keyfob.keys.pool_work import THREADS, Door, cancelled, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.keys.hash_pool import Argon2Pool


async def test_closing_leaves_no_threads(made: Callable[[int, int], Argon2Pool]) -> None:
    """After `close` no thread of the pool is left; closing again changes nothing."""
    before = {*threading.enumerate()}
    pool = made(3, 3)
    await asyncio.gather(*(pool.run(max, 2, 3) for _ in range(6)))
    pool.close()
    pool.close()

    assert [] == [thread.name for thread in {*threading.enumerate()} - before if thread.name.startswith(THREADS)]


async def test_a_closed_pool_can_be_opened_again(made: Callable[[int, int], Argon2Pool]) -> None:
    """After `open` a closed pool computes as before; opening an open one changes nothing."""
    pool = made(1, 1)
    pool.close()

    pool.open()
    pool.open()

    assert 3 == await pool.run(max, 2, 3)


async def test_sf_12_closing_finishes_what_runs_and_drops_what_waits(
    made: Callable[[int, int], Argon2Pool], door: Door
) -> None:
    """At shutdown a running hash is finished, waiting ones are answered with "cannot say", and nobody hangs."""
    pool = made(1, 2)
    running, waiting = (asyncio.ensure_future(pool.run(door)) for _ in range(2))
    leaving = asyncio.ensure_future(pool.run(door))
    await until(lambda: door.inside == 1 and pool.admitted == 3)
    closing = asyncio.ensure_future(asyncio.to_thread(pool.close))

    with pytest.raises(Saturated, match="closed"):
        await waiting
    with pytest.raises(Saturated):
        await pool.run(max, 2, 3)
    await cancelled(leaving)
    door.open()
    await closing

    assert "out" == await running
    assert (1, 0) == (pool.computed, pool.admitted)


async def test_a_caller_cancelled_while_the_pool_closes_stays_cancelled(
    made: Callable[[int, int], Argon2Pool], door: Door
) -> None:
    """Only the loss of the work becomes Saturated; a caller's own cancellation is passed on."""
    pool = made(1, 1)
    running, leaving = (asyncio.ensure_future(pool.run(door)) for _ in range(2))
    await until(lambda: door.inside == 1)
    leaving.cancel()
    closing = asyncio.ensure_future(asyncio.to_thread(pool.close))
    await asyncio.wait([leaving])
    door.open()
    await closing

    assert leaving.cancelled()
    assert "out" == await running
