"""Where changes arrive: the keyring's states, the cached keys, and what is open."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import KeysView

    from keyfob.connections.registry import OpenConnections
    from keyfob.gate.key_cache import KeyCache
    from keyfob.keyring.active import ActiveKeyring
    from keyfob.limits.quota_book import QuotaBook
    from keyfob.store.contract.key_store import Changes, KeyLookup

log = logging.getLogger("keyfob")


class ChangeApplier:
    """Applies what was read from the store (a `keyfob.propagation.freshness.Merging`)."""

    def __init__(
        self,
        keyring: ActiveKeyring,
        key_cache: KeyCache,
        connections: OpenConnections,
        lookup: KeyLookup,
        *,
        accepts_foreign: bool = False,
        quotas: QuotaBook | None = None,
    ) -> None:
        """*lookup* is asked again for keys that something is open for, when the history was replaced.

        *quotas* are leased from the store, and another one has not leased them.
        """
        self._keyring = keyring
        self._key_cache = key_cache
        self._connections = connections
        self._lookup = lookup
        self._accepts_foreign = accepts_foreign
        self._quotas = quotas
        self._keyring_error: ConfigError | None = None
        self._hashed: KeysView[str] = {}.keys()  # the key characters that the cache digests
        self._reviewing: set[asyncio.Task[None]] = set()  # kept, because the event loop does not keep them

    def merge(self, changes: Changes) -> None:
        """Take over what changed. Nothing awaits."""
        if self._keyring.apply(changes.keyring):
            hashers = self._keyring.hashers()
            try:
                self._keyring.check()
            except ConfigError as wrong:
                log.critical("%s", wrong, extra={"event": "keyring_wrong"})
                self._keyring_error = wrong
            else:
                self._keyring_error = None
            if self._keyring_error is None or hashers.keys() != self._hashed:
                foreign = self._keyring.newest_hasher() if self._accepts_foreign else None
                self._key_cache.use_hashers(
                    hashers, for_foreign=foreign
                )  # keys of an entry that was retired leave the cache in any case
                self._hashed = hashers.keys()
        self._key_cache.merge(changes.records)
        self._connections.review_changed(changes.records, time.time())

    def forget(self) -> None:
        """Drop every answer, and read each key again that something is open for."""
        self._key_cache.forget()
        if self._quotas is not None:
            self._quotas.forget()
        if self._connections.open_keys():
            task = asyncio.create_task(self._read_open_keys_again())
            self._reviewing.add(task)
            task.add_done_callback(self._reviewing.discard)

    def check_keyring(self) -> None:
        """Raise ConfigError if the keyring is not the one that the database knows."""
        if self._keyring_error is not None:
            raise self._keyring_error

    async def _read_open_keys_again(self) -> None:
        for key_id in self._connections.open_keys():
            try:
                found = await self._lookup.find(key_id)
            except StoreUnavailable:
                found = None
            # Fail closed: a key that cannot be found in the new history is no longer good.
            if found is None or found.record is None:
                self._connections.end_key(key_id)
            else:
                self._connections.review_changed([found.record], time.time())
