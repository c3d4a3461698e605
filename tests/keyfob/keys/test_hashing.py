from __future__ import annotations

import argon2.low_level
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.errors import ConfigError, Saturated
from keyfob.keys import hashing
from keyfob.keys.hashing import Argon2Parameters, hash_secret, needs_rehash, verify, why_refused

QUICK = Argon2Parameters(memory_kib=8, time=1)
SALT, DIGEST = "A" * 22, "A" * 43
ENOUGH = f"$argon2id$v=19$m=65536,t=10,p=4${SALT}${DIGEST}"


def phc(cost: str = "m=8,t=1,p=1", salt: str = SALT, digest: str = DIGEST) -> str:
    return f"$argon2id$v=19${cost}${salt}${digest}"


def test_se_12_secrets_are_hashed_with_argon2id_as_owasp_asks() -> None:
    """By default 19456 KiB and two passes, a salt of 16 bytes and a hash of 32."""
    parts = hash_secret("secret", Argon2Parameters()).split("$")

    assert ["", "argon2id", "v=19", "m=19456,t=2,p=1"] == parts[:4]
    assert (22, 43) == (len(parts[4]), len(parts[5]))


def test_se_12_no_two_hashes_share_a_salt() -> None:
    """The same secret hashed twice gives two salts and two hashes."""
    salts, digests = zip(*(hash_secret("secret", QUICK).split("$")[4:] for _ in range(100)), strict=True)

    assert (100, 100) == (len(set(salts)), len(set(digests)))


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=50), st.text(max_size=50))
def test_only_the_secret_itself_verifies(secret: str, other: str) -> None:
    """A hash takes the secret that it was made of, and no other."""
    hashed = hash_secret(secret, QUICK)

    assert verify(hashed, secret)
    assert (secret == other) == verify(hashed, other)


def test_the_hash_is_the_reference_implementations() -> None:
    """A known hash of the reference library, made elsewhere, verifies; so rows survive a change of library."""
    known = argon2.low_level.hash_secret(
        b"password", b"somesaltsomesalt", time_cost=2, memory_cost=64, parallelism=2, hash_len=24, type=argon2.Type.ID
    ).decode()

    assert (True, False) == (verify(known, "password"), verify(known, "Password"))


HOSTILE = {
    "memory": phc("m=65537,t=1,p=1"),
    "all the memory": phc("m=4294967295,t=1,p=1"),
    "more than a number": phc("m=99999999999999999999,t=1,p=1"),
    "passes": phc("m=8,t=11,p=1"),
    "all the time": phc("m=8,t=4294967295,p=1"),
    "lanes": phc("m=65536,t=1,p=5"),
    "no lanes": phc("m=8,t=1,p=0"),
    "no passes": phc("m=8,t=0,p=1"),
    "too little memory for its lanes": phc("m=8,t=1,p=2"),
    "negative": phc("m=-8,t=1,p=1"),
    "leading zero": phc("m=08,t=1,p=1"),
    "foreign digits": phc("m=\u0668,t=1,p=1"),
    "other order": phc("t=1,m=8,p=1"),
    "argon2i": phc().replace("argon2id", "argon2i"),
    "argon2d": phc().replace("argon2id", "argon2d"),
    "old version": phc().replace("v=19", "v=16"),
    "no version": phc().replace("$v=19", ""),
    "short salt": phc(salt="A" * 11),
    "short hash": phc(digest="A" * 6),
    "vast hash": phc(digest="A" * 200_000),
    "hash that is no base 64": phc(digest="A" * 41),
    "salt that is no base 64": phc(salt="A" * 25),
    "hash with loose bits": phc(digest="A" * 42 + "B"),
    "padding": phc(digest="A" * 43 + "="),
    "line end": phc() + "\n",
    "more behind": phc() + "$A",
    "bcrypt": "$2b$12$KIXQf8QZf1yq0r0xJvVh4uE2x7x9E6WqXz3c8jzq0b0e5cV5k6w1S",
    "plain text": "secret",
    "nothing": "",
}


@pytest.mark.parametrize("stored", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_hash_is_refused_and_never_computed(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that somebody tampered with costs no memory and no time, matches nothing, and says why for the log."""
    computed: list[object] = []
    monkeypatch.setattr(hashing, "_argon2_verify", lambda *call: computed.append(call))

    assert (False, []) == (verify(stored, "secret"), computed)
    assert why_refused(stored) is not None


@pytest.mark.parametrize("stored", [phc(), ENOUGH, phc(salt="A" * 86), phc(digest="A" * 22)])
def test_a_hash_within_the_bounds_is_computed(stored: str) -> None:
    """The bounds themselves are allowed."""
    assert None is why_refused(stored)


def test_why_a_hash_is_refused_does_not_repeat_it() -> None:
    """What goes to the log holds the cost that was asked for, and no part of salt or hash."""
    assert "memory_kib must be 8 to 65536, not 65537" == why_refused(phc("m=65537,t=1,p=1"))
    assert "the stored hash is damaged" == why_refused(phc(digest="A" * 41))
    assert "the stored hash is not a PHC string of Argon2id" == why_refused("secret")


def test_dl_06_a_machine_without_memory_is_not_a_wrong_key() -> None:
    """When Argon2 cannot be computed the answer is "cannot say", never "no"."""

    def no_memory(*_: object, **__: object) -> object:
        raise argon2.exceptions.VerificationError("Memory allocation error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "_argon2_verify", no_memory)
        patch.setattr(hashing, "_argon2_hash", no_memory)
        with pytest.raises(Saturated, match="Memory"):
            verify(phc(), "secret")
        with pytest.raises(Saturated, match="Memory"):
            hash_secret("secret", QUICK)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (QUICK, False),
        (Argon2Parameters(memory_kib=16, time=1), True),
        (Argon2Parameters(memory_kib=8, time=2), True),
        (Argon2Parameters(memory_kib=16, time=1, parallelism=2), True),
    ],
    ids=str,
)
def test_a_hash_is_made_anew_when_the_parameters_change(parameters: Argon2Parameters, expected: bool) -> None:  # noqa: FBT001 (a column of the table)
    """Memory, passes and lanes each count, upward and downward."""
    assert expected == needs_rehash(hash_secret("secret", QUICK), parameters)


def test_what_is_no_hash_needs_another_one() -> None:
    """A hash that cannot be read was not made with these parameters."""
    assert needs_rehash("secret", QUICK)


@pytest.mark.parametrize(
    ("memory_kib", "time", "parallelism"),
    [(65_537, 2, 1), (7, 1, 1), (0, 1, 1), (-1, 1, 1), (19_456, 0, 1), (19_456, 11, 1), (19_456, 2, 0), (65_536, 1, 5)],
)
def test_parameters_that_could_not_be_verified_are_refused(memory_kib: int, time: int, parallelism: int) -> None:
    """A configuration whose hashes would be refused when they are read is an error at start."""
    with pytest.raises(ConfigError, match=r"argon2: .* must be"):
        Argon2Parameters(memory_kib, time, parallelism)
