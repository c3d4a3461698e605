from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Saturated
from keyfob.keyring.keyring import Keyring
from keyfob.keys.format import KeyText, parse_key
from keyfob.keys.hash_pool import Argon2Pool
from keyfob.keys.hashing import Argon2Parameters, needs_rehash, verify
from keyfob.management.key_issuer import IssuedKey, KeyIssuer

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEYRING = Keyring.new(NOON).added(NOON)
QUICK = Argon2Parameters(memory_kib=8, time=1)
CONTRACT = re.compile(r"\bkf_(?:api|computer|scim|admin)_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}\b")


@pytest.fixture
def issuer() -> Iterator[KeyIssuer]:
    pool = Argon2Pool(1, 1)
    yield KeyIssuer(lambda: KEYRING.entries["a"], pool, QUICK, "kf", persist_digests=True)
    pool.close()


def read(issued: IssuedKey, prefix: str = "kf") -> KeyText:
    key = parse_key(issued.text, prefix=prefix)
    assert key is not None
    return key


@pytest.mark.parametrize("key_type", ["api", "computer", "scim", "admin"])
async def test_kf_01_a_thousand_issued_keys_match_the_published_pattern(issuer: KeyIssuer, key_type: str) -> None:
    """Every key that is handed out is found by secret scanners, carries its type, and passes its own tag."""
    issued_keys = [await issuer.issue(key_type) for _ in range(1000)]

    assert 1000 == sum(CONTRACT.fullmatch(issued.text) is not None for issued in issued_keys)
    assert {(key_type, True)} == {
        (read(issued).key_type, KEYRING.entries["a"].verifies(read(issued))) for issued in issued_keys
    }
    assert 1000 == len({issued.key_id for issued in issued_keys})


async def test_what_is_stored_recognises_the_key(issuer: KeyIssuer) -> None:
    """The hash is of the secret alone, with the configured parameters; the digest is of the whole text."""
    issued = await issuer.issue("api")
    key = read(issued)

    assert issued.key_id == key.key_id
    assert verify(issued.secret.hash, key.secret)
    assert not verify(issued.secret.hash, issued.text)
    assert not needs_rehash(issued.secret.hash, QUICK)
    assert KEYRING.entries["a"].digest(issued.text) == issued.secret.digest


async def test_lc_10_two_keys_share_nothing(issuer: KeyIssuer) -> None:
    """Neither secret opens the other key; id, salt, hash and digest differ."""
    one, other = [await issuer.issue("api") for _ in range(2)]

    assert one.key_id != other.key_id
    assert one.secret.hash.split("$")[4] != other.secret.hash.split("$")[4]
    assert one.secret.digest != other.secret.digest
    assert (False, False) == (
        verify(one.secret.hash, read(other).secret),
        verify(other.secret.hash, read(one).secret),
    )


async def test_no_digest_is_stored_where_digests_are_off(issuer: KeyIssuer) -> None:
    """With ``persist_digests`` off the Argon2id hash is all that is kept."""
    issued = await replace(issuer, persist_digests=False).issue("api")

    assert None is issued.secret.digest
    assert verify(issued.secret.hash, read(issued).secret)


async def test_kf_08_keys_are_made_with_the_entry_that_signs_now(issuer: KeyIssuer) -> None:
    """The signing entry is asked for each time, so `keyring activate` is followed without a restart."""
    signing = iter("ab")
    turning = replace(issuer, signing=lambda: KEYRING.entries[next(signing)])
    chars = [read(await turning.issue("api")).key_char for _ in range(2)]

    assert ["a", "b"] == chars


async def test_keys_carry_the_configured_prefix(issuer: KeyIssuer) -> None:
    """A prefix of one's own stands at the front of every new key."""
    assert "acme" == read(await replace(issuer, prefix="acme").issue("api"), "acme").prefix


async def test_a_key_that_cannot_be_hashed_is_not_made(issuer: KeyIssuer) -> None:
    """Where the pool takes no work, issuing fails as "cannot say" and hands out nothing."""
    issuer.pool.close()

    with pytest.raises(Saturated):
        await issuer.issue("api")


async def test_se_01_what_is_printed_of_a_new_key_holds_no_secret(issuer: KeyIssuer) -> None:
    """Neither the issuing, nor what is stored, nor the minter shows secret, hash, digest or keyring key."""
    issued = await issuer.issue("api")
    key = read(issued)
    secrets = [issued.text, key.secret, key.tag, issued.secret.hash, issued.secret.hash.split("$")[5]]
    secrets += [repr(issued.secret.digest), KEYRING.entries["a"].key.hex(), repr(KEYRING.entries["a"].key)]

    for printed in (repr(issued), str(issued), f"{issued}", repr(issued.secret), repr(issuer), repr(key)):
        assert [] == [secret for secret in secrets if secret in printed]
    assert issued.key_id in repr(issued)
