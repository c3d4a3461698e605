"""Argon2id (RFC 9106), the hash of record of a key's secret, as PHC strings.

The parameters in a stored hash are checked before it is computed: write access to the database must not be enough to
make the server spend gigabytes or minutes on one check.
"""

from __future__ import annotations

import binascii
import re
import secrets
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass

from argon2.exceptions import Argon2Error, VerifyMismatchError
from argon2.low_level import Type
from argon2.low_level import hash_secret as _argon2_hash
from argon2.low_level import verify_secret as _argon2_verify

from keyfob.errors import ConfigError, Saturated

MOST_MEMORY_KIB = 65_536
MOST_TIME = 10
MOST_PARALLELISM = 4
SALT_BYTES = 16
HASH_BYTES = 32

_NUMBER = "([1-9][0-9]{0,9})"
_BASE64 = "([A-Za-z0-9+/]{22,86})"  # unpadded, 16 to 64 bytes; Keyfob writes a salt of 16 and a hash of 32
_PHC = re.compile(rf"\$argon2id\$v=19\$m={_NUMBER},t={_NUMBER},p={_NUMBER}\${_BASE64}\${_BASE64}\Z")


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """The cost of one hash: *memory_kib* KiB of memory, *time* passes, *parallelism* lanes.

    Raises:
        ConfigError: more than 65536 KiB, 10 passes or 4 lanes, or less than Argon2 allows.

    """

    memory_kib: int = 19_456  # OWASP's first choice for Argon2id
    time: int = 2
    parallelism: int = 1

    def __post_init__(self) -> None:
        """Reject parameters that `verify` would refuse to compute."""
        complaint = _complaint(self.memory_kib, self.time, self.parallelism)
        if complaint is not None:
            raise ConfigError(f"argon2: {complaint}")


def hash_secret(secret: str, parameters: Argon2Parameters) -> str:
    """Hash *secret* with a fresh salt of 16 bytes. Takes tens of milliseconds and lets other threads run.

    Raises:
        Saturated: there is not enough memory.

    """
    try:
        phc = _argon2_hash(
            secret.encode(),
            secrets.token_bytes(SALT_BYTES),
            time_cost=parameters.time,
            memory_cost=parameters.memory_kib,
            parallelism=parameters.parallelism,
            hash_len=HASH_BYTES,
            type=Type.ID,
        )
    except Argon2Error as error:
        raise Saturated(str(error)) from None
    return phc.decode("ascii")


def verify(phc: str, secret: str) -> bool:
    """Whether *phc* is the hash of *secret*. If `why_refused` rejects the hash, returns False without computing it.

    Raises:
        Saturated: there is not enough memory for the check.

    """
    if why_refused(phc) is not None:
        return False
    try:
        return _argon2_verify(phc.encode("ascii"), secret.encode(), Type.ID)
    except VerifyMismatchError:
        return False
    except Argon2Error as error:
        raise Saturated(str(error)) from None


def why_refused(phc: str) -> str | None:
    """The reason, for a log, why a stored hash must not be computed; None if it may be."""
    match = _PHC.match(phc)
    if match is None:
        return "the stored hash is not a PHC string of Argon2id"
    if not (_is_base64(match[4]) and _is_base64(match[5])):
        return "the stored hash is damaged"
    return _complaint(*_cost(match))


def needs_rehash(phc: str, parameters: Argon2Parameters) -> bool:
    """Whether *phc* was computed with parameters other than *parameters*."""
    match = _PHC.match(phc)
    return match is None or _cost(match) != (parameters.memory_kib, parameters.time, parameters.parallelism)


def _cost(match: re.Match[str]) -> tuple[int, int, int]:
    return int(match[1]), int(match[2]), int(match[3])


def _is_base64(text: str) -> bool:
    """Whether *text* is a canonical base 64 encoding, so that the library cannot fail on it."""
    with suppress(binascii.Error):
        return b64encode(b64decode(text + "=" * (-len(text) % 4))).decode().rstrip("=") == text
    return False


def _complaint(memory_kib: int, time: int, parallelism: int) -> str | None:
    if not 1 <= parallelism <= MOST_PARALLELISM:
        return f"parallelism must be 1 to {MOST_PARALLELISM}, not {parallelism}"
    if not 1 <= time <= MOST_TIME:
        return f"time must be 1 to {MOST_TIME} passes, not {time}"
    if not 8 * parallelism <= memory_kib <= MOST_MEMORY_KIB:
        return f"memory_kib must be {8 * parallelism} to {MOST_MEMORY_KIB}, not {memory_kib}"
    return None
