"""From a presented text to the key that it proves, as of now.

The warm path goes past this room: it is for keys that are not in the cache, and for moments at which the cache may not
be relied on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.errors import StoreUnavailable
from keyfob.gate.key_cache import Entry, Refusal
from keyfob.gate.verdict import Denied, Reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfob.gate.key_cache import KeyCache
    from keyfob.gate.key_verifier import KeyVerifier
    from keyfob.gate.stats import Stats
    from keyfob.propagation.freshness import Freshness

_ROUNDS = 16  # looks at a key while others keep changing it


class Authenticator:
    """Finds the key that a text proves: in the cache, or through the store."""

    def __init__(
        self,
        *,
        key_cache: KeyCache,
        freshness: Freshness,
        key_verifier: KeyVerifier,
        stats: Stats,
        awaken: Callable[[], Awaitable[None]],  # starts what runs in the background, where no lifespan did
    ) -> None:
        self._key_cache = key_cache
        self._freshness = freshness
        self._key_verifier = key_verifier
        self._stats = stats
        self._awaken = awaken

    async def authenticate(self, text: bytes) -> Entry | Denied:
        """Find out what *text* is, and return while that is still so. Raises StoreUnavailable.

        A key that is proved is an Entry, whatever its state; what nothing proves is Denied.
        """
        key = self._key_verifier.parse(text)
        if key is None:
            return Denied(Reason.MALFORMED)
        await self._awaken()  # and with that, what the database says of the keyring is known
        reason = self._key_verifier.refuses(key)
        if reason is not None:
            return Denied(reason)
        for _ in range(_ROUNDS):
            await self._freshness.ensure()
            digest = self._key_cache.digest(text)
            if digest is None:
                return Denied(Reason.RETIRED)
            known = self.known(text)
            if known is None:
                found = await self._key_verifier.verify_key(key, digest)
                still_so = found.epoch == self._freshness.epoch and found.revision >= self._freshness.revision
                known = found.what if still_so and self._freshness.is_current() else None
            if isinstance(known, Entry):
                return known
            if known is not None:
                return Denied(known.reason)
        msg = "the key was changed again and again while it was looked at"
        raise StoreUnavailable(msg)

    def reject_cheaply(self, text: bytes) -> Reason | None:
        """Why *text* can be no key, if its shape or its tag says so: malformed, or forged. Waits for nothing."""
        key = self._key_verifier.parse(text)
        if key is None:
            return Reason.MALFORMED
        reason = self._key_verifier.refuses(key)
        return reason if reason is Reason.FORGED else None

    def known(self, text: bytes) -> Entry | Refusal | None:
        """What the caches say, to be believed while they are current. Nothing awaits between this and the verdict."""
        known = self._key_cache.known(text)
        if isinstance(known, Refusal) and not self._freshness.believes(known.until):
            return None
        self._stats.cache_hits += known is not None
        return known
