from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Saturated
from keyfob.keyring.keyring import Ring
from keyfob.keys.format import KeyText, parse_key
from keyfob.keys.hash_pool import Argon2Pool
from keyfob.keys.hashing import Argon2Parameters, needs_rehash, verify
from keyfob.management.key_issuer import Minter, Minting

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
RING = Ring.new(NOON).added(NOON)
QUICK = Argon2Parameters(memory_kib=8, time=1)
CONTRACT = re.compile(r"\bkf_(api|computer|scim|admin)_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}\b")


@pytest.fixture
def minter() -> Iterator[Minter]:
    pool = Argon2Pool(1, 1)
    yield Minter(lambda: RING.entries["a"], pool, QUICK, "kf", persist_proofs=True)
    pool.close()


def read(minting: Minting, brand: str = "kf") -> KeyText:
    key = parse_key(minting.text, brand=brand)
    assert key is not None
    return key


@pytest.mark.parametrize("key_type", ["api", "computer", "scim", "admin"])
async def test_kf_01_a_thousand_minted_keys_match_the_published_pattern(minter: Minter, key_type: str) -> None:
    """Every key that is handed out is found by secret scanners, carries its type, and passes its own tag."""
    mintings = [await minter.mint(key_type) for _ in range(1000)]

    assert 1000 == sum(CONTRACT.fullmatch(minting.text) is not None for minting in mintings)
    assert {(key_type, True)} == {
        (read(minting).key_type, RING.entries["a"].verifies(read(minting))) for minting in mintings
    }
    assert 1000 == len({minting.key_id for minting in mintings})


async def test_what_is_stored_recognises_the_key(minter: Minter) -> None:
    """The hash is of the secret alone, with the configured parameters; the proof is of the whole text."""
    minting = await minter.mint("api")
    key = read(minting)

    assert minting.key_id == key.key_id
    assert verify(minting.secret.hash, key.secret)
    assert not verify(minting.secret.hash, minting.text)
    assert not needs_rehash(minting.secret.hash, QUICK)
    assert RING.entries["a"].proof(minting.text) == minting.secret.proof


async def test_lc_10_two_keys_share_nothing(minter: Minter) -> None:
    """Neither secret opens the other key; id, salt, hash and proof differ."""
    one, other = [await minter.mint("api") for _ in range(2)]

    assert one.key_id != other.key_id
    assert one.secret.hash.split("$")[4] != other.secret.hash.split("$")[4]
    assert one.secret.proof != other.secret.proof
    assert (False, False) == (
        verify(one.secret.hash, read(other).secret),
        verify(other.secret.hash, read(one).secret),
    )


async def test_no_proof_is_stored_where_proofs_are_off(minter: Minter) -> None:
    """With ``persist_proofs`` off the Argon2id hash is all that is kept."""
    minting = await replace(minter, persist_proofs=False).mint("api")

    assert None is minting.secret.proof
    assert verify(minting.secret.hash, read(minting).secret)


async def test_kf_08_keys_are_made_with_the_entry_that_signs_now(minter: Minter) -> None:
    """The signing entry is asked for each time, so `ring activate` is followed without a restart."""
    signing = iter("ab")
    turning = replace(minter, signing=lambda: RING.entries[next(signing)])
    chars = [read(await turning.mint("api")).ring_char for _ in range(2)]

    assert ["a", "b"] == chars


async def test_keys_carry_the_configured_brand(minter: Minter) -> None:
    """A brand of one's own stands at the front of every new key."""
    assert "acme" == read(await replace(minter, brand="acme").mint("api"), "acme").brand


async def test_a_key_that_cannot_be_hashed_is_not_made(minter: Minter) -> None:
    """Where the pool takes no work, minting fails as "cannot say" and hands out nothing."""
    minter.pool.close()

    with pytest.raises(Saturated):
        await minter.mint("api")


async def test_se_01_what_is_printed_of_a_new_key_holds_no_secret(minter: Minter) -> None:
    """Neither the minting, nor what is stored, nor the minter shows secret, hash, proof or ring key."""
    minting = await minter.mint("api")
    key = read(minting)
    secrets = [minting.text, key.secret, key.tag, minting.secret.hash, minting.secret.hash.split("$")[5]]
    secrets += [repr(minting.secret.proof), RING.entries["a"].key.hex(), repr(RING.entries["a"].key)]

    for printed in (repr(minting), str(minting), f"{minting}", repr(minting.secret), repr(minter), repr(key)):
        assert [] == [secret for secret in secrets if secret in printed]
    assert minting.key_id in repr(minting)
