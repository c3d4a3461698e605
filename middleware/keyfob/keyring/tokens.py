"""Random tokens of sessions and links, and the HMACs (RFC 2104) under which a database keeps them.

The first character of a token names the entry of the keyring under which it is kept.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC
from typing import TYPE_CHECKING, Final, Protocol

from keyfob.audit import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey

_LONGEST_TOKEN: Final = 100


class SigningKeys(Protocol):
    """All that this asks of a keyring."""

    def entries(self) -> Mapping[str, SigningKey]:
        """Every entry, by its character."""
        ...

    def is_retired(self, char: str) -> bool:
        """Whether what the entry signed is refused."""
        ...


def new_token(entry: SigningKey) -> str:
    """Make a token of 256 random bits."""
    return entry.char + secrets.token_urlsafe(32)


def entry_of(token: str, keyring: SigningKeys) -> SigningKey | None:
    """Find the entry that *token* names, unless it is retired: what it signed may be forged."""
    char = token[:1]
    return None if keyring.is_retired(char) else keyring.entries().get(char)


def token_digest(entry: SigningKey, purpose: str, token: str) -> bytes:
    """What the database stores of a token. 256 random bits need no salt and no slow hash."""
    text = f"{purpose}\0{token[:_LONGEST_TOKEN]}"
    return hmac.digest(entry.browser_key, text.encode("utf-8", "surrogatepass"), "sha256")


def row_mac(entry: SigningKey, *values: str | datetime | None) -> bytes:
    """The MAC over the *values* of a row, first of all what kind of row it is."""
    written = [value if value is None or isinstance(value, str) else _written(value) for value in values]
    return hmac.digest(entry.browser_key, canonical(written).encode("ascii"), "sha256")


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
