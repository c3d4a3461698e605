"""The hashes that other products made of their keys, until the first use replaces each by one of our own.

What is stored in place of a PHC string is ``foreign$`` and JSON. It may hold a salt, or the key of an HMAC, which
leaves the database with it.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import re
from base64 import b64decode
from dataclasses import asdict, dataclass, field

from keyfob.keys.hashing import verify, why_refused

_MARK = "foreign$"
_SIZES = {"sha256": 32, "sha512": 64}  # bytes
ALGORITHMS = (*_SIZES, "argon2")


@dataclass(frozen=True, slots=True)
class ForeignHash:
    """A hash of *text[skip : len(text) - cut] + suffix*: what the other product hashed of its keys.

    SHA-2 is of the *salt* and that, or an HMAC under *hmac_key* (RFC 2104); Argon2id is a PHC string.
    """

    algorithm: str
    hash: str = field(repr=False)  # hexadecimal, or a PHC string
    salt: str = field(default="", repr=False)
    hmac_key: str = field(default="", repr=False)
    skip: int = 0
    cut: int = 0
    suffix: str = field(default="", repr=False)

    @property
    def is_plain(self) -> bool:
        """Whether it is a hash of the whole text and nothing else, so that a row can be found by it."""
        return self.algorithm in _SIZES and not (self.salt or self.hmac_key or self.skip or self.cut or self.suffix)

    @property
    def stored(self) -> str:
        """The form in which the database keeps it."""
        return _MARK + json.dumps({name: value for name, value in asdict(self).items() if value})

    def fits(self, text: str) -> bool:
        """Whether this is the hash of *text*. Raises Saturated if there is not enough memory."""
        material = text[self.skip : len(text) - self.cut] + self.suffix
        if self.algorithm not in _SIZES:
            return verify(self.hash, material)
        if self.hmac_key:
            found = hmac.digest(self.hmac_key.encode(), material.encode(), self.algorithm)
        else:
            found = hashlib.new(self.algorithm, (self.salt + material).encode()).digest()
        return hmac.compare_digest(found.hex(), self.hash)


def verify_foreign(stored: str, text: str) -> bool:
    """Whether *stored*, a foreign hash or our own, is the hash of the key *text*."""
    if not stored.startswith(_MARK):
        return verify(stored, text)
    try:
        known = ForeignHash(**json.loads(stored.removeprefix(_MARK)))
    except (ValueError, TypeError):
        return False
    return known.fits(text)


def read_hash(algorithm: str, written: str) -> str:
    """Read a hash as products write it: hexadecimal, base64 or base64url; or a PHC string. Raises ValueError."""
    if algorithm == "argon2":
        if (why := why_refused(written)) is not None:
            raise ValueError(f"the hash cannot be used: {why.removeprefix('the stored hash ')}")
        return written
    size = _SIZES.get(algorithm)
    if size is None:
        raise ValueError(_NO_ALGORITHM.get(algorithm, f"there is no algorithm {algorithm!r}; {_KNOWN}"))
    if re.fullmatch(rf"[0-9A-Fa-f]{{{2 * size}}}", written):
        return written.lower()
    try:
        raw = b64decode(written.translate(_URL_SAFE).rstrip("=") + "=" * (-len(written.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != size:
        raise ValueError(f"the hash is no {algorithm} in hexadecimal, base64 or base64url")
    return raw.hex()


_URL_SAFE = str.maketrans("-_", "+/")
_KNOWN = f"those that can be imported are {', '.join(ALGORITHMS)}"
_NO_ALGORITHM = {
    "bcrypt": "bcrypt hashes cannot be imported: it reads only 72 bytes, and a key's first use would cost a second; "
    "ask for new keys, or import the keys themselves",
}
