"""The written form of a key.

::

    kf _ api _ 7Qx2mB9tKd03LpWz _ <43 characters> a <14 characters> <6 characters>
    │    │     │                  │               │ │               │
    │    │     │                  │               │ │               └ checksum: CRC-32 of everything before it.
    │    │     │                  │               │ │                 Distinguishes a typo from a key, offline
    │    │     │                  │               │ └ tag: 80 bits of HMAC-SHA-256 under the signing key, over all
    │    │     │                  │               │   that precedes it. Rejects a forged key without a database read.
    │    │     │                  │               │   It can only reject; only the secret admits
    │    │     │                  │               └ entry: the character of the signing key that made the tag
    │    │     │                  └ secret: 256 bits from the operating system; only a hash is stored
    │    │     └ id: 16 random characters, public and never reused; shown in logs, pages and paths
    │    └ type: the type of the key, [a-z][a-z0-9]{1,15}
    └ prefix: identifies the issuer to people and secret scanners, [a-z][a-z0-9]{1,15}

(A key has no spaces; the drawing adds them. The four parts after the last ``_`` are its body, 64 characters.)
All digits and letters are ``0-9A-Za-z``; numbers are in base 62, zero-padded. Every character counts: a change of case,
quotes, an escape or an invisible character makes the text invalid.
"""

from __future__ import annotations

import re
import secrets
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NO_DIGIT = 255
_DIGITS = bytes(ALPHABET.index(chr(code)) if chr(code) in ALPHABET else _NO_DIGIT for code in range(256))
ID_LENGTH = 16
SECRET_LENGTH = 43  # 62**43 is just above 2**256
TAG_LENGTH = 14
CHECKSUM_LENGTH = 6
BODY_LENGTH = SECRET_LENGTH + 1 + TAG_LENGTH + CHECKSUM_LENGTH
KEY_CHAR_AT = -(1 + TAG_LENGTH + CHECKSUM_LENGTH)
LONGEST = 16 + 1 + 16 + 1 + ID_LENGTH + 1 + BODY_LENGTH

_WORD = "[a-z][a-z0-9]{1,15}"
_ID = f"[0-9A-Za-z]{{{ID_LENGTH}}}"
_BODY = f"[0-9A-Za-z]{{{BODY_LENGTH}}}"
WORD = re.compile(rf"{_WORD}\Z")  # a prefix or a key type
KEY_ID = re.compile(rf"{_ID}\Z")
_KEY = re.compile(rf"({_WORD})_({_WORD})_({_ID})_({_BODY})\Z")
_DISPLAY = re.compile(rf"({_WORD})_{_WORD}_({_ID})(?:_{_BODY})?\Z")


@dataclass(slots=True)  # not frozen: a flood of junk makes many, and freezing is most of what one costs
class KeyText:
    """A parsed key. Its shape and checksum are right; nothing else has been checked."""

    prefix: str
    key_type: str
    key_id: str
    text: str = field(repr=False)  # the whole key as it was presented

    @property
    def secret(self) -> str:
        """The part that only the key's holder knows."""
        return self.text[-BODY_LENGTH:KEY_CHAR_AT]

    @property
    def key_char(self) -> str:
        """The character of the signing key that made the tag."""
        return self.text[KEY_CHAR_AT]

    @property
    def tag(self) -> str:
        """The MAC over everything before it, under the signing key."""
        return self.text[KEY_CHAR_AT + 1 : -CHECKSUM_LENGTH]

    @property
    def checksum(self) -> str:
        """The CRC-32 of everything before it, which needs no secret."""
        return self.text[-CHECKSUM_LENGTH:]

    @property
    def tagged(self) -> str:
        """The part that the tag covers: everything before it."""
        return self.text[: -(TAG_LENGTH + CHECKSUM_LENGTH)]

    @property
    def display(self) -> str:
        """The form that may be shown: ``kf_api_7Qx2mB9tKd03LpWz``."""
        return display(self.key_type, self.key_id, self.prefix)


def parse_key(text: str, *, prefix: str = "kf") -> KeyText | None:
    """Parse a key. Returns None if its shape, *prefix* or checksum is wrong. Needs no server and no keyring."""
    if len(text) > LONGEST:  # first, so that a header of 200 KB costs nothing
        return None
    match = _KEY.match(text)
    if match is None or match[1] != prefix:
        return None
    # Decode the checksum instead of encoding one: decoding is cheaper, and a flood of junk reaches this line.
    if from_base62(text[-CHECKSUM_LENGTH:]) != zlib.crc32(text[:-CHECKSUM_LENGTH].encode()):
        return None
    return KeyText(match[1], match[2], match[3], text)


def checksum(text: str) -> str:
    """The six characters that follow *text* in a whole key."""
    return base62(zlib.crc32(text.encode()), CHECKSUM_LENGTH)


def compose(
    *, key_type: str, key_id: str, secret: str, key_char: str, tag: Callable[[str], str], prefix: str = "kf"
) -> KeyText:
    """Compose a key; *tag* computes the tag of everything before it.

    Raises:
        ValueError: a field is malformed.

    """
    tagged = f"{prefix}_{key_type}_{key_id}_{secret}{key_char}"
    summed = tagged + tag(tagged)
    text = summed + checksum(summed)
    if _KEY.match(text) is None or len(key_char) != 1:
        raise ValueError("a field of the key is malformed")
    return KeyText(prefix, key_type, key_id, text)


def new_key_id() -> str:
    """16 characters from the operating system's generator (95 bits)."""
    return _random(ID_LENGTH)


def new_secret() -> str:
    """43 characters from the operating system's generator (256 bits)."""
    return _random(SECRET_LENGTH)


def display(key_type: str, key_id: str, prefix: str = "kf") -> str:
    """A key without its secret, as logs and pages show it."""
    return f"{prefix}_{key_type}_{key_id}"


def key_id_of(text: str, prefix: str = "kf") -> str | None:
    """The id in *text*: an id alone, a displayed key, or a whole key (mistyped or not); otherwise None."""
    if len(text) > LONGEST:
        return None
    if KEY_ID.match(text):
        return text
    match = _DISPLAY.match(text)
    return match[2] if match is not None and match[1] == prefix else None


def base62(number: int, width: int) -> str:
    """Write *number* with exactly *width* digits of `ALPHABET`, the most significant first.

    Raises:
        ValueError: *number* is negative, or needs more than *width* digits.

    """
    if not 0 <= number < len(ALPHABET) ** width:
        raise ValueError(f"the number does not fit into {width} digits")
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def from_base62(text: str) -> int:
    """Read what `base62` wrote. Raises ValueError for characters that are not in `ALPHABET`."""
    digits = text.encode().translate(_DIGITS)
    if _NO_DIGIT in digits:
        raise ValueError("not a number in base 62")
    number = 0
    for digit in digits:
        number = number * 62 + digit
    return number


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
