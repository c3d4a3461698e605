"""The keyring: the server's signing keys, each named by one character. They are never in the database.

The file is TOML, one table for each character::

    [a]
    key = "64 hexadecimal digits"
    created_at = 2026-01-31T12:00:00Z

The key of an entry makes tags. For every other purpose a sub-key is derived from it, so that a MAC made for one purpose
is never valid for another.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError
from keyfob.keys.format import ALPHABET, TAG_LENGTH, base62, from_base62

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from keyfob.keys.format import KeyText

KEY_BYTES = 32
TAG_BYTES = 10  # 80 bits: a guess is right once in 10**24, and even a right one admits nobody
CHARS = ALPHABET[36:] + ALPHABET[10:36] + ALPHABET[:10]  # in the order of use: a-z, A-Z, 0-9

_HEX_KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}\Z")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One entry of the keyring."""

    char: str
    key: bytes = field(repr=False)
    created_at: datetime

    _tag_state: hmac.HMAC = field(init=False, repr=False, compare=False)  # keyed once, which saves half of the work

    def __post_init__(self) -> None:
        """Prepare the keyed state from which every tag is made."""
        object.__setattr__(self, "_tag_state", hmac.new(self.key, b"keyfob/tag/v1\0", "sha256"))

    def tag(self, tagged: str) -> str:
        """The tag over *tagged*, the text before it: 80 bits of HMAC-SHA-256 (RFC 2104) in base 62."""
        return base62(int.from_bytes(self._tag_bytes(tagged), "big"), TAG_LENGTH)

    def verifies(self, key: KeyText) -> bool:
        """Whether this entry made the tag of *key*. Compares in constant time."""
        try:
            presented = from_base62(key.tag).to_bytes(TAG_BYTES, "big")
        except (ValueError, OverflowError):  # not our digits, or more than 80 bits: 14 digits can hold a little more
            return False
        return hmac.compare_digest(self._tag_bytes(key.tagged), presented)

    def _tag_bytes(self, tagged: str) -> bytes:
        state = self._tag_state.copy()
        state.update(tagged.encode())
        return state.digest()[:TAG_BYTES]

    def digest_state(self) -> hashlib.blake2b:
        """A fresh keyed BLAKE2b-256 (RFC 7693). Update a ``copy()`` with a whole key to get the key's digest."""
        return hashlib.blake2b(digest_size=32, key=self.digest_key)

    def digest(self, text: str) -> bytes:
        """The digest that verifies the whole key *text* without Argon2id; useless without the keyring."""
        state = self.digest_state()
        state.update(text.encode())
        return state.digest()

    @property
    def digest_key(self) -> bytes:
        """The sub-key of digests."""
        return self._derived(b"keyfob/digest/v1\0")

    @property
    def audit_key(self) -> bytes:
        """The sub-key that MACs the audit log."""
        return self._derived(b"keyfob/audit/v1\0")

    @property
    def csrf_key(self) -> bytes:
        """The sub-key of the console's form tokens."""
        return self._derived(b"keyfob/csrf/v1\0")

    @property
    def states_key(self) -> bytes:
        """The sub-key that seals the states of the signing keys in the database."""
        return self._derived(b"keyfob/states/v1\0")

    @property
    def browser_key(self) -> bytes:
        """The sub-key for the HMACs of session cookies and link tokens in the database."""
        return self._derived(b"keyfob/browser/v1\0")

    @property
    def people_key(self) -> bytes:
        """The sub-key that seals the rows of people in the database."""
        return self._derived(b"keyfob/people/v1\0")

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify the key in the database; they reveal nothing about it."""
        return self._derived(b"keyfob/fingerprint/v1\0").hex()[:16]

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self.key, purpose, "sha256")


@dataclass(frozen=True, slots=True)
class Keyring:
    """All entries, in the order of the file. Every one verifies; the database determines which one signs."""

    entries: Mapping[str, SigningKey]

    @classmethod
    def of(cls, keys: Iterable[SigningKey]) -> Keyring:
        """An immutable keyring of *keys*."""
        return cls(MappingProxyType({key.char: key for key in keys}))

    @classmethod
    def new(cls, now: datetime) -> Keyring:
        """A keyring with one new entry."""
        return cls.of(()).added(now)

    def added(self, now: datetime, taken: Collection[str] = ()) -> Keyring:
        """This keyring plus one new entry, under the next character that is neither here nor in *taken*.

        Raises:
            ConfigError: all 62 characters are used up.

        """
        char = next((char for char in CHARS if char not in self.entries and char not in taken), None)
        if char is None:
            raise ConfigError("the keyring has used up all of its 62 characters")
        return Keyring.of(
            [*self.entries.values(), SigningKey(char, secrets.token_bytes(KEY_BYTES), now.astimezone(UTC))]
        )

    @property
    def newest(self) -> SigningKey:
        """The entry that was created last."""
        return max(reversed([*self.entries.values()]), key=lambda entry: entry.created_at)

    def digest_states(self) -> dict[str, hashlib.blake2b]:
        """The `SigningKey.digest_state` of every entry, by its character."""
        return {char: entry.digest_state() for char, entry in self.entries.items()}

    @classmethod
    def parse(cls, toml_text: str) -> Keyring:
        """Read a keyring as `dump` writes it.

        Raises:
            ConfigError: the text is malformed; the message holds no key.

        """
        try:
            tables = tomllib.loads(toml_text.removeprefix("\ufeff"))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"the keyring is not TOML: {error}") from None
        if not tables:
            raise ConfigError("the keyring holds no entry; `keyfob init` writes a new one")
        keyring = cls.of(_entry(char, table) for char, table in tables.items())
        if len({entry.key for entry in keyring.entries.values()}) < len(keyring.entries):
            raise ConfigError("two entries of the keyring hold the same key; take the newer one out")
        return keyring

    def dump(self) -> str:
        """The whole keyring as TOML, keys included."""
        tables = (
            f'[{entry.char}]\nkey = "{entry.key.hex()}"\ncreated_at = {entry.created_at.isoformat()}\n'
            for entry in self.entries.values()
        )
        return "# Keyfob's keyring. Whoever has it can make tags and digests: keep it secret, and keep a copy.\n\n" + (
            "\n".join(tables)
        )


def _entry(char: str, table: object) -> SigningKey:
    match table:
        case {"key": str(key), "created_at": datetime() as created_at, **rest} if not rest:
            pass
        case _:
            raise ConfigError(f"entry {char!r} of the keyring must be a table of exactly `key` and `created_at`")
    if len(char) != 1 or char not in CHARS:
        raise ConfigError(f"entry {char!r} of the keyring must be named by one letter or digit")
    if not _HEX_KEY.match(key):
        raise ConfigError(
            f"`key` of entry {char!r} of the keyring must be {2 * KEY_BYTES} hexadecimal digits in lower case"
        )
    if created_at.tzinfo is None:
        raise ConfigError(f"`created_at` of entry {char!r} of the keyring must say its time zone: put a Z behind it")
    return SigningKey(char, bytes.fromhex(key), created_at.astimezone(UTC))
