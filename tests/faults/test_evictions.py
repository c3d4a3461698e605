"""Room for one key only, so that requests push each other's keys out, while the store and the hashes take long."""

from __future__ import annotations

import asyncio
import random
import time
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.faults.conftest import ROUNDS
from tests.history.checker import ADMITTED, REFUSED, Event, What, understand
from tests.keyfob.conftest import ask, echo, guard, here, on_both_stores

if TYPE_CHECKING:
    from keyfob import APIKeyMiddleware
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.keys.record import StoredSecret
    from keyfob.store.contract.key_store import Found, KeyLookup
    from keyfob.testing import Installation, Issued
    from tests.keyfob.conftest import Guard

__all__ = ["echo", "guard", "here"]  # fixtures of the gate's tests, used here as well

BOUND = 0.3  # seconds
SLOWEST = 3 * BOUND  # a row or a hash may arrive when every lease that was there when it began has run out
TURNS = max(6, ROUNDS // 8)  # of each of the keys, off and on


class Slow:
    """The real look-up and the real pool, of which every answer arrives when chance says."""

    def __init__(self, lookup: KeyLookup, pool: Argon2Pool, chance: random.Random) -> None:
        self._lookup = lookup
        self._pool = pool
        self._chance = chance

    async def find(self, key_id: str) -> Found:
        found = await self._lookup.find(key_id)
        await self._dawdle()
        return found

    async def save_digest(self, key_id: str, checked_hash: str, secret: StoredSecret) -> None:
        await self._lookup.save_digest(key_id, checked_hash, secret)

    async def run(self, *args: Any, **kwargs: Any) -> Any:
        done = await self._pool.run(*args, **kwargs)
        await self._dawdle()
        return done

    async def _dawdle(self) -> None:
        if self._chance.random() < 0.2:
            await asyncio.sleep(self._chance.random() * SLOWEST)


class Schedule:
    """Keys that are switched off and on, and callers that ask with them, in an order of chance."""

    def __init__(self, here: Installation, app: APIKeyMiddleware, chance: random.Random) -> None:
        self.log: list[Event] = []
        self._here = here
        self._app = app
        self._chance = chance
        self._numbers = count(1)

    async def run(self, keys: list[Issued]) -> None:
        """Switch every key off and on, `TURNS` times, while 24 callers ask, and until each was admitted at last."""
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(self._keep_asking(keys)) for _ in range(24)]
            await asyncio.gather(*(self._switch(issued) for issued in keys))
            for issued in keys:
                while await self._ask(issued) != ADMITTED:
                    pass
            for task in asking:
                task.cancel()

    async def _keep_asking(self, keys: list[Issued]) -> None:
        while True:
            await self._ask(self._chance.choice(keys))

    async def _ask(self, issued: Issued) -> int:
        number = next(self._numbers)
        self._note(What.REQUEST_STARTED, issued, number)
        answer = await ask(self._app, "/items", issued.headers)
        self._note(What.REQUEST_ANSWERED, issued, number, answer.status)
        await asyncio.sleep(self._chance.random() / 100)
        return answer.status

    async def _switch(self, issued: Issued) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(self._chance.random() * BOUND)
            self._note(What.DISABLE_CALLED, issued)
            await self._here.disable(issued)
            self._note(What.DISABLE_RETURNED, issued)
            await asyncio.sleep(BOUND * (1 + self._chance.random()))
            await self._ask(issued)  # the others may all be waiting for what they asked before
            self._note(What.ENABLE_CALLED, issued)
            await self._here.enable(issued)
            self._note(What.ENABLE_RETURNED, issued)

    def _note(self, what: What, issued: Issued, number: int = 0, status: int = 0) -> None:
        self.log.append(Event(time.monotonic(), what, issued.record.id, number, status))


@pytest.mark.cases("CR-02", "CR-05", "CR-13")
@on_both_stores
async def test_cr_13_keys_that_push_each_other_out_are_judged_as_the_store_says(
    here: Installation, guard: Guard
) -> None:
    """Whatever arrives late in a cache of one, nobody is admitted beyond the bound, nor refused once it is on again."""
    chance = random.Random(2031)  # noqa: S311 (an order of events, no secret)
    app = guard(cache_size=1, max_staleness=BOUND, persist_digests=False)
    key_verifier = app.runtime.authenticator._key_verifier
    key_verifier._lookup = slow = Slow(key_verifier._lookup, key_verifier._pool, chance)
    key_verifier._pool = cast("Argon2Pool", slow)
    keys = [await here.issue("items:read") for _ in range(4)]
    await (schedule := Schedule(here, app, chance)).run(keys)

    history = understand(schedule.log)
    assert [] == history.violations(0.0 if here.store.is_immediate else BOUND)
    assert {ADMITTED, REFUSED} == {request.status for request in history.requests}
    assert len(keys) * TURNS == len(history.revocations)
    assert app.stats.argon2_verifications > 2 * len(keys)  # they did push each other out
