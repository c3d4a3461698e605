"""What checking a passphrase costs."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Saturated
from keyfob.keys.hash_pool import Argon2Pool
from keyfob.keys.hashing import Argon2Parameters, hash_secret
from keyfob.management.people.passphrases import Passphrases

if TYPE_CHECKING:
    from tests.keyfob.management.conftest import Office

CHEAP = Argon2Parameters(64, 1)
PASSPHRASE = "dry moss under nine lamps"


@pytest.mark.parametrize("email", ["ben@example.com", "nobody@example.com", "not an address\n"])
async def test_every_attempt_takes_one_turn_on_the_pool(office: Office, email: str) -> None:
    """However many wait for a thread, an unknown address waits no longer than a known one."""
    ben = replace(await office.person("ben@example.com", "member"), passphrase=hash_secret(PASSPHRASE, CHEAP))
    await office.store.change(lambda rows: rows.put_person(ben))
    pool = Argon2Pool(1)
    passphrases = Passphrases(office.store, office.authority, pool, CHEAP, office.clock)

    assert await passphrases.check(email, "wrong") is None
    assert 1 == pool.computed
    assert ben == await passphrases.check("BEN@example.com", PASSPHRASE)
    pool.close()


async def test_two_attempts_of_one_client_are_tried_at_a_time(office: Office) -> None:
    """A third is refused until one of them has failed and counts; other clients wait their turn."""
    pool, released = Argon2Pool(1), threading.Event()
    passphrases = Passphrases(office.store, office.authority, pool, CHEAP, office.clock)
    busy = asyncio.create_task(pool.run(released.wait))
    attempts = [
        asyncio.create_task(passphrases.check("ben@example.com", "wrong", whose=whose))
        for whose in ("one", "one", "one", "another")
    ]
    done, _ = await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)
    released.set()
    await busy

    assert 1 == len(done)
    ends = await asyncio.gather(*attempts, return_exceptions=True)
    assert [1, None] == [sum(isinstance(end, Saturated) for end in ends[:3]), ends[3]]
    pool.close()
