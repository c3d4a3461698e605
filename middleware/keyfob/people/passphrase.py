"""Passphrases: long, not common, and hashed with Argon2id. There are no rules about their composition.

Common ones are listed by name; what repeats a short piece or follows the alphabet, the digits or the rows of a keyboard
is found by its form, so that no list has to name it.
"""

from __future__ import annotations

import unicodedata
from importlib.resources import files
from typing import Final

from keyfob.errors import Invalid

SHORTEST: Final = 15  # characters
LONGEST: Final = 256
_LONGEST_PIECE: Final = 8  # characters; "passwordpassword" repeats one of so many
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "1234567890qwertyuiopasdfghjklzxcvbnm",
    "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1q2w3e4r5t6y7u8i9o0p",
)
_COMMON: Final = frozenset(
    line
    for line in files(__package__).joinpath("common_passphrases.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)


def normal(passphrase: str) -> str:
    """*passphrase* in the one form in which it is hashed (NFKC), however the keyboard composed it."""
    return unicodedata.normalize("NFKC", passphrase)


def clean_passphrase(value: str, *, email: str | None, pointer: str = "/passphrase") -> str:
    """Give *value* in its normal form if it is long enough, and neither common nor the person's own address.

    Raises:
        Invalid: with *pointer*; the message never repeats what was entered.
    """
    text = normal(value)
    if len(text) < SHORTEST:
        raise Invalid((pointer, f"A passphrase has {SHORTEST} characters or more"))
    if len(text) > LONGEST or len(value) > LONGEST:
        raise Invalid((pointer, f"A passphrase has {LONGEST} characters or fewer"))
    if is_common(text) or text.casefold() == (email or "").casefold():
        raise Invalid((pointer, "This passphrase is one of the first that somebody would guess; choose another one"))
    return text


def is_common(text: str) -> bool:
    """Whether *text* is listed as common, or easy to guess by its form."""
    plain = "".join(character for character in text.casefold() if character.isalnum()) or text
    return plain in _COMMON or _repeats(plain) or any(plain in row or plain in row[::-1] for row in _ROWS)


def _repeats(text: str) -> bool:
    """Whether *text* is a short piece, several times over."""
    return any(
        len(text) >= 2 * size and text == (text[:size] * (len(text) // size + 1))[: len(text)]
        for size in range(1, _LONGEST_PIECE + 1)
    )
