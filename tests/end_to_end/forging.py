"""Key texts that were never issued, made by who lacks the keyring and by who has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.keys.format import (
    CHECKSUM_LENGTH,
    TAG_LENGTH,
    KeyText,
    checksum,
    compose,
    new_key_id,
    new_secret,
    parse_key,
)

if TYPE_CHECKING:
    from keyfob.keyring.keyring import SigningKey
    from keyfob.testing import Issued


def parsed(issued: Issued) -> KeyText:
    """The parts of a key that was issued."""
    key = parse_key(issued.text)
    assert key is not None
    return key


def forged(key_type: str = "api", key_id: str | None = None, secret: str | None = None) -> str:
    """A key of the right shape and checksum, with a tag out of thin air."""
    return compose(
        key_type=key_type,
        key_id=key_id or new_key_id(),
        secret=secret or new_secret(),
        key_char="a",
        tag=lambda _: new_secret()[:TAG_LENGTH],
    ).text


def resummed(text: str) -> str:
    """*text* with the checksum that belongs to the rest of it."""
    rest = text[:-CHECKSUM_LENGTH]
    return rest + checksum(rest)


def tagged(keyring: SigningKey, key_id: str | None = None, *, key_type: str = "api") -> str:
    """A key with the right tag and a secret that was never issued, as whoever stole the keyring could make it."""
    return compose(
        key_type=key_type, key_id=key_id or new_key_id(), secret=new_secret(), key_char=keyring.char, tag=keyring.tag
    ).text
