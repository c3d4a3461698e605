"""What checking a passphrase costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

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
