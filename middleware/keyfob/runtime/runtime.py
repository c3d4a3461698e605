"""One process: its parts wired together, and started by the server or by the first request."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from keyfob.config.keyring_source import keyring_of
from keyfob.config.log_format import install_fallback
from keyfob.connections.registry import OpenConnections
from keyfob.errors import ConfigError, Outdated, StoreUnavailable
from keyfob.gate.authenticator import Authenticator, require_asyncio
from keyfob.gate.client_address import ClientAddress
from keyfob.gate.foreign_keys import ForeignKeys
from keyfob.gate.key_cache import KeyCache
from keyfob.gate.key_verifier import KeyVerifier
from keyfob.gate.near_limits import NearLimits
from keyfob.gate.stats import Stats
from keyfob.gate.usage import Usage
from keyfob.keyring.active import ActiveKeyring
from keyfob.keys.foreign import ForeignForms
from keyfob.keys.foreign_scan import without_foreign
from keyfob.keys.hash_pool import Argon2Pool
from keyfob.limits.meters import limits_of
from keyfob.limits.quota_book import QuotaBook
from keyfob.propagation.freshness import Freshness, boot_clock
from keyfob.propagation.worker_registry import WorkerRegistry
from keyfob.rules.readings import UNKNOWN_ROUTER
from keyfob.runtime.background import Background, keep_fresh
from keyfob.runtime.changes import ChangeApplier
from keyfob.runtime.configured import argon2_parameters, catalogue_of
from keyfob.runtime.gates import build_gate
from keyfob.runtime.inspection import inspect
from keyfob.runtime.management import ManagedRuntime
from keyfob.runtime.outage import close_when_lease_expires
from keyfob.runtime.rate_limits import close_counter, open_counter, wall_clock
from keyfob.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any

    from starlette.types import Scope

    from keyfob.config.settings import Settings
    from keyfob.gate.credentials import CredentialReader
    from keyfob.gate.gate import Gate
    from keyfob.gate.verdict import Denied, Granted
    from keyfob.rules.readings import Router
    from keyfob.store.contract.key_store import KeyStore

_FREEZES = "AWS_LAMBDA_FUNCTION_NAME"  # set where a process stands still as soon as it has answered


class Runtime(ManagedRuntime):
    """The modules of one process, wired."""

    def __init__(self, settings: Settings) -> None:
        """Build everything without touching the database. Raises ConfigError."""
        install_fallback()
        self.settings = settings
        self.foreign_forms = ForeignForms(settings.foreign, settings.prefix) if settings.foreign else None
        self.catalogue = catalogue_of(settings)
        if self.foreign_forms is not None:
            self.catalogue = replace(self.catalogue, cut_foreign=partial(without_foreign, forms=self.foreign_forms))
        self.stats = Stats()
        self.usage = Usage(self.stats, days=settings.usage.days)
        self.connections = OpenConnections(self.catalogue.suspends, self.begin_elsewhere)
        self.addresses = ClientAddress(settings.trusted_proxies, settings.client_ip_header)
        self.keyring = ActiveKeyring(lambda: keyring_of(settings), boot_clock)
        self.pool = Argon2Pool(threads=settings.argon2_threads)
        self.parameters = argon2_parameters(settings)
        self.store: KeyStore = open_store(_store_url(settings), audit_key=self.keyring.signing)
        self.key_cache = self._build_key_cache()
        self.counter, self.quotas = open_counter(settings, self.catalogue), self._build_quotas()
        self.near_limits = NearLimits(self.store)
        self.usage.writers.append(self.near_limits.write)
        self.workers = WorkerRegistry(
            self.store,
            self.store.workers,
            lease=settings.max_staleness + settings.max_stale_on_outage,
            fingerprints=self.keyring.fingerprints,
        )
        self._changes = self._build_changes()
        self.freshness = Freshness(
            self.workers,
            self._changes,
            max_staleness=settings.max_staleness,
            max_stale_on_outage=settings.max_stale_on_outage,
        )
        self.authenticator = self._build_authenticator()
        self.settles_each_call = not settings.background or _FREEZES in os.environ
        self._background = Background({} if self.settles_each_call else self._works())

    def _works(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What runs beside the requests, by name."""
        return {
            "poll": partial(
                keep_fresh,
                self.store,
                self.freshness,
                self.workers,
                self.connections,
                self.keyring,
                interval=self.settings.max_staleness / 4,
            ),
            "usage": partial(self.usage.keep, self.store, every=self.settings.usage_interval),
            "quotas": self.quotas.keep,
            "lease": partial(close_when_lease_expires, self.freshness, self.connections),
        }

    def _build_key_cache(self) -> KeyCache:
        return KeyCache(
            self.settings.cache_size,
            self.catalogue.suspends,
            announces=self.settings.announce_replacement,
            limits_of=partial(limits_of, self.catalogue),
        )

    def _build_quotas(self) -> QuotaBook:
        return QuotaBook(self.store.quotas, clock=wall_clock)

    def _build_changes(self) -> ChangeApplier:
        accepts_foreign = self.foreign_forms is not None
        return ChangeApplier(
            self.keyring,
            self.key_cache,
            self.connections,
            self.store,
            accepts_foreign=accepts_foreign,
            quotas=self.quotas,
        )

    def _build_authenticator(self) -> Authenticator:
        key_verifier = KeyVerifier(
            lookup=self.store,
            key_cache=self.key_cache,
            freshness=self.freshness,
            keyring=self.keyring,
            pool=self.pool,
            parameters=self.parameters,
            prefix=self.settings.prefix,
            persist_digests=self.settings.persist_digests,
            stats=self.stats,
            foreign=ForeignKeys(self.foreign_forms, self.store.foreign) if self.foreign_forms else None,
        )
        return Authenticator(
            key_cache=self.key_cache,
            freshness=self.freshness,
            key_verifier=key_verifier,
            stats=self.stats,
            awaken=self.awaken,
        )

    def gate(
        self,
        rules: Mapping[str, object],
        addresses: ClientAddress | None = None,
        *,
        router: Router = UNKNOWN_ROUTER,
        path_parameters: bool = False,
        credentials: CredentialReader | None = None,
    ) -> Gate:
        """A gate with *rules* of its own, and its own trust in proxies, over what is known here.

        Path parameters pass only if both the setting and *path_parameters* let them. Without *credentials*, the
        settings say where a key may be. Raises ConfigError.
        """
        return build_gate(
            self,
            rules,
            addresses or self.addresses,
            router=router,
            path_parameters=path_parameters,
            credentials=credentials,
        )

    def client_ip(self, scope: Scope) -> str | None:
        """Where a request came from, trusted proxies considered."""
        return self.addresses.of(scope)

    async def inspect(self, text: str) -> Granted | Denied:
        """What a presented key is good for; not counted as use. Raises StoreUnavailable."""
        return await inspect(self.authenticator, text)

    async def ready(self) -> None:
        """Know what the database says of the keyring, before something is changed, with or without a start.

        Raises ConfigError if the keyring is not the one the database knows, and StoreUnavailable.
        """
        require_asyncio()
        self._open()
        await self.freshness.ensure()
        self._changes.check_keyring()

    # -- start and stop

    async def start(self) -> None:
        """Read the first changes and begin to poll. An unavailable store is tried again; a wrong keyring is not.

        Raises ConfigError if the keyring is not the one the database knows, or the database cannot be used.
        """
        self._open()
        self.workers.serve()
        try:
            await self.freshness.refresh()
            self._changes.check_keyring()
        except Outdated as newer:
            raise ConfigError(f"{newer}; upgrade this one") from newer
        except StoreUnavailable:
            pass  # said once by the freshness, and read again by what begins here
        self._begin()

    async def awaken(self) -> None:
        """Begin in this event loop if that was not done, and refuse to judge under a wrong keyring."""
        if not self._background.is_here:
            self._begin()
        if self.freshness.epoch is None:
            await self.freshness.ensure()
        try:
            self._changes.check_keyring()
        except ConfigError as wrong:
            raise StoreUnavailable(str(wrong)) from wrong

    def begin_elsewhere(self) -> None:
        """A request is answered in another event loop than usual: begin there if the usual one is closed."""
        if self._background.has_lost_its_loop:
            self._begin()

    async def settle(self) -> None:
        """Write the uses of a call before it returns, where nothing may run after it."""
        if not self._background.is_here:  # a cached key passes after `stop`, too, which closed the store
            self._begin()
        await self.usage.drain(self.store)
        await self.quotas.drain()

    async def stop(self) -> None:
        """Stop polling, write the last uses, and close what is open. Can be called again; so can `start`."""
        await self._background.end()
        self.connections.serve_in(None)
        self.store.open()  # cached keys may have been used since an earlier stop
        await self.usage.drain(self.store)
        await self.quotas.drain()
        await self.workers.leave()
        self.pool.close()
        await close_counter(self.counter)
        await self.store.close()

    def _open(self) -> None:
        self.pool.open()
        self.store.open()

    def _begin(self) -> None:
        # An event loop that is gone without a stop was one for a single call (`asyncio.run`), and so may this one be.
        self.settles_each_call |= self._background.has_lost_its_loop
        self._open()
        self.connections.serve_in(asyncio.get_running_loop())
        self.workers.serve()
        self._background.begin()


def _store_url(settings: Settings) -> str:
    if settings.store is None:
        msg = 'no store is named; say store="sqlite:///keyfob.db", or set KEYFOB_STORE_URL'
        raise ConfigError(msg)
    return settings.store
