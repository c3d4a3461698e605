from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Saturated
from keyfob.keys.hash_pool import NICENESS, Argon2Pool
from tests.keyfob.keys.pool_work import THREADS, Door, cancelled, until

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_work_is_done_beside_the_loop(made: Callable[[int, int], Argon2Pool]) -> None:
    """What is asked for is computed on a thread of the pool's own, and counted."""
    pool = made(1, 1)

    name = await pool.run(lambda greeting: f"{greeting} {threading.current_thread().name}", "hello")

    assert name.startswith(f"hello {THREADS}")
    assert (1, 0) == (pool.computed, pool.admitted)


async def test_an_error_reaches_the_caller_and_frees_the_slot(made: Callable[[int, int], Argon2Pool]) -> None:
    """Work that raises is work that is done."""
    pool = made(1, 0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await pool.run(divmod, 1, 0, key_id="k")

    assert 0 == pool.admitted


async def test_dl_02_beyond_the_bound_work_is_refused_at_once(
    made: Callable[[int, int], Argon2Pool], door: Door
) -> None:
    """One in the thread and one in the queue: the next is turned away, and those two are served."""
    pool = made(1, 1)
    tasks = [asyncio.ensure_future(pool.run(door)) for _ in range(2)]
    await until(lambda: pool.admitted == 2)
    for _ in range(5):
        with pytest.raises(Saturated):
            await pool.run(door)
    door.open()

    assert ["out", "out"] == await asyncio.gather(*tasks)
    assert (2, 0) == (pool.computed, pool.admitted)


async def test_a_caller_that_leaves_frees_no_slot_before_the_thread_is_done(
    made: Callable[[int, int], Argon2Pool], door: Door
) -> None:
    """The work of a cancelled caller still counts while a thread computes it."""
    pool = made(1, 0)
    task = asyncio.ensure_future(pool.run(door))
    await until(lambda: door.inside == 1)
    await cancelled(task)

    assert 1 == pool.admitted
    with pytest.raises(Saturated):
        await pool.run(door)
    door.open()
    await until(lambda: pool.admitted == 0)
    assert "out" == await pool.run(door)


async def test_callers_that_come_and_go_never_make_more_work_than_there_are_threads(
    made: Callable[[int, int], Argon2Pool], door: Door
) -> None:
    """A hundred callers that leave at once start two hashes, not a hundred."""
    pool = made(2, 2)
    for _ in range(100):
        task = asyncio.ensure_future(pool.run(door))
        await asyncio.sleep(0)
        await cancelled(task)
    door.open()
    await until(lambda: pool.admitted == 0)

    assert 2 >= door.most_inside
    assert 2 >= pool.computed


async def test_work_that_no_thread_has_begun_is_taken_back(made: Callable[[int, int], Argon2Pool], door: Door) -> None:
    """A caller that leaves the queue gives its place to the next one, and its hash is never computed."""
    pool = made(1, 1)
    first = asyncio.ensure_future(pool.run(door))
    await until(lambda: door.inside == 1)
    await cancelled(waiting := asyncio.ensure_future(pool.run(door)))
    second = asyncio.ensure_future(pool.run(door))
    door.open()

    assert waiting.cancelled()
    assert ["out", "out"] == [await first, await second]
    assert (2, 2) == (door.entered, pool.computed)


async def test_two_checks_of_one_key_run_at_once_and_no_third(
    made: Callable[[int, int], Argon2Pool], door: Door
) -> None:
    """Guessing one key's secrets takes two places at most; other keys and unnamed work go on."""
    pool = made(4, 4)
    tasks = [asyncio.ensure_future(pool.run(door, key_id="one")) for _ in range(2)]
    await until(lambda: door.inside == 2)
    with pytest.raises(Saturated):
        await pool.run(door, key_id="one")
    tasks += [asyncio.ensure_future(pool.run(door, key_id="other")), asyncio.ensure_future(pool.run(door))]
    await until(lambda: door.inside == 4)
    door.open()

    assert ["out"] * 4 == await asyncio.gather(*tasks)
    assert "out" == await pool.run(door, key_id="one")


async def test_a_key_keeps_its_two_places_while_their_threads_work(
    made: Callable[[int, int], Argon2Pool], door: Door
) -> None:
    """Leaving does not give the same key a third check."""
    pool = made(4, 4)
    tasks = [asyncio.ensure_future(pool.run(door, key_id="one")) for _ in range(2)]
    await until(lambda: door.inside == 2)
    await cancelled(*tasks)

    with pytest.raises(Saturated):
        await pool.run(door, key_id="one")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives each thread its own niceness")
async def test_dl_04_hashes_step_back_behind_the_loop(made: Callable[[int, int], Argon2Pool]) -> None:
    """The threads are nicer than the process; the loop's own thread is as it was."""
    before = os.getpriority(os.PRIO_PROCESS, 0)

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert min(19, before + NICENESS) == await made(1, 0).run(niceness)
    assert before == os.getpriority(os.PRIO_PROCESS, 0)


async def test_a_sandbox_that_forbids_niceness_is_no_reason_to_stop(
    made: Callable[[int, int], Argon2Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where priorities cannot be set, hashes are computed all the same."""

    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)

    assert 3 == await made(1, 0).run(max, 2, 3)


def test_one_pool_serves_one_loop_after_the_other(made: Callable[[int, int], Argon2Pool]) -> None:
    """A pool belongs to no loop: test clients and reloaded servers start new ones."""
    pool = made(1, 1)

    assert [3, 4] == [asyncio.run(pool.run(max, 2, number)) for number in (3, 4)]


def test_one_pool_serves_several_loops_at_once(made: Callable[[int, int], Argon2Pool]) -> None:
    """Loops on several threads share the pool and its bound."""
    pool = made(2, 100)
    answers: list[int] = []

    async def ask() -> None:
        answers.extend(await asyncio.gather(*(pool.run(max, 0, number) for number in range(20))))

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(list(range(20)) * 4) == sorted(answers)
    assert (80, 0) == (pool.computed, pool.admitted)


def test_a_loop_that_ends_during_a_hash_leaves_the_pool_usable(
    made: Callable[[int, int], Argon2Pool], door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer to a loop that is gone is dropped without a word."""
    pool = made(1, 1)

    async def give_up() -> None:
        task = asyncio.ensure_future(pool.run(door))
        await until(lambda: door.inside == 1)
        task.cancel()

    asyncio.run(give_up())
    door.open()

    assert 3 == asyncio.run(pool.run(max, 2, 3))
    assert [] == caplog.records


async def test_a_pool_chooses_its_size_by_the_machine(door: Door) -> None:
    """Without numbers it has a thread or more, four at most, and 32 waiting for each."""
    pool = Argon2Pool()
    tasks = [asyncio.create_task(pool.run(door)) for _ in range(200)]
    await until(lambda: pool.admitted > 0)
    admitted = pool.admitted
    door.open()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    pool.close()

    assert admitted == answers.count("out")
    assert admitted in {33, 66, 99, 132}
