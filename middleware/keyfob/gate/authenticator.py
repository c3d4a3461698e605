"""From a presented text to the key that it proves, as of now.

The warm path does not come here. This is for keys that are not in the cache, and for moments at which the cache may
not be relied on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError, Saturated, StoreUnavailable
from keyfob.gate.known_key import CachedRefusal, Entry
from keyfob.gate.verdict import Denied, Reason
from keyfob.keys.foreign import ForeignText

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfob.gate.key_cache import KeyCache
    from keyfob.gate.key_verifier import KeyVerifier, Presented
    from keyfob.gate.stats import Stats
    from keyfob.propagation.freshness import Freshness

_ROUNDS = 16  # looks at a key while others keep changing it


class Authenticator:
    """Finds the key that a text proves, in the cache or through the store."""

    def __init__(
        self,
        *,
        key_cache: KeyCache,
        freshness: Freshness,
        key_verifier: KeyVerifier,
        stats: Stats,
        awaken: Callable[[], Awaitable[None]],  # starts the background tasks, where no lifespan did
    ) -> None:
        self._key_cache = key_cache
        self._freshness = freshness
        self._key_verifier = key_verifier
        self._stats = stats
        self._awaken = awaken

    def parse(self, text: bytes) -> Presented | Reason:
        """Take *text* apart, or say why shape or tag refuse it. Waits for nothing, and costs no secret anything."""
        key = self._key_verifier.parse(text)
        if key is None:
            return Reason.MALFORMED
        return self._key_verifier.refuses(key) or key

    def believed(self, known: Entry | CachedRefusal | None) -> Entry | CachedRefusal | None:
        """Return *known*, from the cache, if it may be relied on. Nothing may await between this and the verdict."""
        if known is None or (isinstance(known, CachedRefusal) and not self._freshness.believes(known.until)):
            return None
        self._stats.cache_hits += 1
        return known

    async def authenticate_or_deny(
        self, text: bytes | Reason, key: Presented | None, client_ip: str | None
    ) -> Entry | Denied:
        """Find out what *text* is, as `authenticate` does. A store that cannot say is a reason to deny, too."""
        if isinstance(text, Reason):
            return Denied(text)
        try:
            return await self.authenticate(text, key, client_ip)
        except Saturated:
            return Denied(Reason.SATURATED)
        except StoreUnavailable:
            return Denied(Reason.UNAVAILABLE)

    async def authenticate(
        self, text: bytes, key: Presented | None = None, client_ip: str | None = None
    ) -> Entry | Denied:
        """Find out what *text* is, and return while that is still so. Raises StoreUnavailable.

        A key that is verified is an Entry, whatever its state; what nothing verifies is Denied. *key* is what `parse`
        made of *text*, if that was done while the cache was current.
        """
        parsed = key or self._key_verifier.parse(text)
        if parsed is None:
            return Denied(Reason.MALFORMED)
        require_asyncio()
        await self._awaken()  # and with that, what the database says about the keyring is known
        reason = self._key_verifier.refuses(parsed) if key is None else None
        if reason is not None:
            return Denied(reason)
        for _ in range(_ROUNDS):
            await self._freshness.ensure()
            digest = self._key_cache.digest_of(text, is_foreign=isinstance(parsed, ForeignText))
            if digest is None:
                return Denied(Reason.RETIRED)
            known = self.believed(self._key_cache.at(digest))
            if known is None:
                found = await self._key_verifier.verify_key(parsed, digest, client_ip)
                still_so = found.epoch == self._freshness.epoch and found.revision >= self._freshness.revision
                known = found.what if still_so and self._freshness.is_current() else None
            if isinstance(known, Entry):
                return known
            if known is not None:
                return Denied(known.reason)
        raise StoreUnavailable("the key was changed again and again while it was looked up")


def require_asyncio() -> None:
    """Raise ConfigError where another event loop runs, such as Trio's: database drivers and tasks need asyncio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigError(
            "Keyfob needs asyncio, and this server runs another event loop, such as Trio: "
            "start it with asyncio (for Hypercorn: `-k asyncio` or `-k uvloop`)"
        ) from None
