from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from keyfob.keys.foreign_hashes import ForeignHash, read_hash, verify_foreign
from keyfob.keys.hashing import Argon2Parameters, hash_secret

KEY = "sk_live_0123456789abcdef"
CHEAP = Argon2Parameters(memory_kib=8, time=1)
SHA256, SHA512 = hashlib.sha256(KEY.encode()), hashlib.sha512(KEY.encode())
SALTED = hashlib.sha256(b"salt" + KEY.encode()).hexdigest()
KEYED = hmac.new(b"pepper", KEY[:-6].encode(), "sha256").hexdigest()

VERIFIES = {
    "sha256": ForeignHash("sha256", SHA256.hexdigest()),
    "sha512": ForeignHash("sha512", SHA512.hexdigest()),
    "salted": ForeignHash("sha256", SALTED, salt="salt"),
    "an HMAC of all but the end": ForeignHash("sha256", KEYED, hmac_key="pepper", cut=6),
    "Argon2": ForeignHash("argon2", hash_secret(KEY, CHEAP)),
    "Argon2 of the end and a pepper": ForeignHash(
        "argon2", hash_secret(KEY[8:] + "pepper", CHEAP), skip=8, suffix="pepper"
    ),
}
WRITTEN = {
    "hexadecimal": SHA256.hexdigest().upper(),
    "base64": base64.b64encode(SHA256.digest()).decode(),
    "base64url without padding": base64.urlsafe_b64encode(SHA256.digest()).decode().rstrip("="),
}
UNREADABLE = [
    ("sha256", SHA512.hexdigest(), "no sha256"),
    ("sha256", "!" * 64, "no sha256"),
    ("argon2", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2Ex$aGFzaA", "no PHC string|not a PHC string"),
    ("argon2", "$argon2id$v=19$m=9999999,t=1,p=1$" + "A" * 22 + "$" + "A" * 43, "memory_kib"),
    ("bcrypt", "$2b$12$abcdefghijklmnopqrstuv", "bcrypt hashes cannot be imported"),
    ("md5", "00", "no algorithm"),
]


@pytest.mark.parametrize("name", VERIFIES)
def test_the_key_of_a_hash_is_verified_and_no_other(name: str) -> None:
    """From what the database holds; a key that differs in one character fails."""
    stored = VERIFIES[name].stored

    assert verify_foreign(stored, KEY)
    assert not verify_foreign(stored, KEY.replace("9", "8"))
    assert KEY not in stored


@pytest.mark.parametrize("name", WRITTEN)
def test_a_digest_is_read_however_it_is_written(name: str) -> None:
    """Products write the same bytes in three ways."""
    assert SHA256.hexdigest() == read_hash("sha256", WRITTEN[name])


@pytest.mark.parametrize(("algorithm", "written", "why"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_cannot_be_verified_is_refused_with_the_reason(algorithm: str, written: str, why: str) -> None:
    """Another length, another alphabet, costs beyond our bounds, bcrypt, an unknown algorithm."""
    with pytest.raises(ValueError, match=why):
        read_hash(algorithm, written)


@pytest.mark.parametrize("damaged", ["foreign$", "foreign$[]", 'foreign${"x": 1}', "foreign$7", "", "$2b$12$x"])
def test_a_damaged_hash_admits_nobody(damaged: str) -> None:
    """What cannot be read verifies nothing, and raises nothing."""
    assert not verify_foreign(damaged, KEY)


def test_our_own_hash_is_verified_too() -> None:
    """After the first use a foreign key has an Argon2id hash of the whole."""
    assert verify_foreign(hash_secret(KEY, CHEAP), KEY)


def test_a_hash_shows_no_secret() -> None:
    """Its repr has neither the hash nor what it was made with."""
    assert "pepper" not in repr(VERIFIES["an HMAC of all but the end"])
