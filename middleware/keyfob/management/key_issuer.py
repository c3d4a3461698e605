"""Issuing a key: its text for the caller, and what is stored to recognise it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyfob.keys.format import compose, new_key_id, new_secret
from keyfob.keys.hashing import hash_secret
from keyfob.keys.record import StoredSecret

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.keys.hashing import Argon2Parameters


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key. *text* is shown once and stored nowhere; *key_char* names the signing key that tagged it."""

    key_id: str
    text: str = field(repr=False)
    secret: StoredSecret
    key_char: str = ""


@dataclass(frozen=True, slots=True)
class PendingKey:
    """A new key whose secret is made later, for whoever collects it (`keyfob.management.handover`)."""

    key_id: str
    text: None = None
    secret: None = None
    key_char: str = ""


@dataclass(frozen=True, slots=True)
class KeyIssuer:
    """Issues keys with the signing key that *signing* returns at that moment."""

    signing: Callable[[], SigningKey]
    pool: Argon2Pool
    parameters: Argon2Parameters
    prefix: str
    persist_digests: bool

    async def issue(self, key_type: str, *, key_id: str | None = None) -> IssuedKey:
        """Issue a key of *key_type*, with a new id or *key_id*. Raises Saturated if no thread is free to hash it."""
        entry = self.signing()
        key = compose(
            key_type=key_type,
            key_id=key_id or new_key_id(),
            secret=new_secret(),
            key_char=entry.char,
            tag=entry.tag,
            prefix=self.prefix,
        )
        hashed = await self.pool.run(hash_secret, key.secret, self.parameters)
        digest = entry.digest(key.text) if self.persist_digests else None
        return IssuedKey(key.key_id, key.text, StoredSecret(hashed, digest), entry.char)
