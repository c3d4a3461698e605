"""Making a new key: its text for the one who asked for it, and what is stored to recognise it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyfob.keys.format import compose, new_key_id, new_secret
from keyfob.keys.hashing import hash_secret
from keyfob.store.contract import StoredSecret

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.keys.hashing import Argon2Parameters


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key that was just made. *text* is shown once and kept nowhere."""

    key_id: str
    text: str = field(repr=False)
    secret: StoredSecret


@dataclass(frozen=True, slots=True)
class KeyIssuer:
    """Makes keys with the signing key that *signing* names at that moment."""

    signing: Callable[[], SigningKey]
    pool: Argon2Pool
    parameters: Argon2Parameters
    prefix: str
    persist_digests: bool

    async def issue(self, key_type: str) -> IssuedKey:
        """Make a key of *key_type*. Raises Saturated if no thread can be had to hash it."""
        entry = self.signing()
        key = compose(
            key_type=key_type,
            key_id=new_key_id(),
            secret=new_secret(),
            key_char=entry.char,
            tag=entry.tag,
            prefix=self.prefix,
        )
        hashed = await self.pool.run(hash_secret, key.secret, self.parameters)
        digest = entry.digest(key.text) if self.persist_digests else None
        return IssuedKey(key.key_id, key.text, StoredSecret(hashed, digest))
