"""Everything one process keeps to judge requests: built at once, started by the server or by the first request."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from keyfob.connections.outage import close_when_lease_expires
from keyfob.connections.registry import OpenConnections
from keyfob.errors import ConfigError, Outdated, StoreUnavailable
from keyfob.gate.authenticator import Authenticator
from keyfob.gate.client_address import ClientAddress
from keyfob.gate.gate import Gate
from keyfob.gate.key_cache import KeyCache
from keyfob.gate.key_verifier import KeyVerifier
from keyfob.gate.stats import Stats
from keyfob.gate.usage import Usage
from keyfob.gate.verdict import Denied
from keyfob.keyring.active import ActiveKeyring
from keyfob.keyring.file import load_keyring
from keyfob.keyring.keyring import Keyring
from keyfob.keys.hash_pool import Argon2Pool
from keyfob.keys.hashing import Argon2Parameters
from keyfob.management.audit_log import AuditLog
from keyfob.management.key_issuer import KeyIssuer
from keyfob.management.keys import KeyLifecycle
from keyfob.management.teams import Teams
from keyfob.policy.catalogue import build_catalogue
from keyfob.propagation.freshness import Freshness, boot_clock
from keyfob.propagation.worker_registry import WorkerRegistry
from keyfob.rules.compiler import compile_rules, permissions_named
from keyfob.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from keyfob.config.settings import Settings
    from keyfob.gate.verdict import Granted
    from keyfob.store.contract import Changes, KeyStore

log = logging.getLogger("keyfob")


class Runtime:
    """The modules of one process, wired. It is also where changes arrive (`keyfob.propagation.freshness.Merging`)."""

    def __init__(self, settings: Settings) -> None:
        """Build everything without touching the database. Raises ConfigError."""
        self.settings = settings
        self.catalogue = build_catalogue(
            permissions=settings.permissions,
            key_types=settings.key_types,
            plans=settings.plans,
            rules_named=permissions_named(*settings.rule_sets),
        )
        self.stats = Stats()
        self.usage = Usage(self.stats)
        self.connections = OpenConnections(self.catalogue.suspends)
        self.addresses = ClientAddress(settings.trusted_proxies, settings.client_ip_header)
        self.keyring = ActiveKeyring(self._load_keyring, boot_clock)
        self.pool = Argon2Pool(threads=settings.argon2_threads)
        self.parameters = Argon2Parameters(settings.argon2["memory_kib"], settings.argon2["time"])
        self.store: KeyStore = open_store(_store_url(settings), audit_key=self.keyring.signing)
        self.key_cache = KeyCache(settings.cache_size, self.catalogue.suspends)
        self.workers = WorkerRegistry(
            self.store, self.store.workers, lease=settings.max_staleness + settings.max_stale_on_outage
        )
        self.freshness = Freshness(
            self.workers,
            self,
            max_staleness=settings.max_staleness,
            max_stale_on_outage=settings.max_stale_on_outage,
        )
        self.authenticator = self._build_authenticator()
        self._background: list[asyncio.Task[None]] = []
        self._awake_in: asyncio.AbstractEventLoop | None = None
        self._reviewing: set[asyncio.Task[None]] = set()
        self._keyring_error: ConfigError | None = None

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
        )
        return Authenticator(
            key_cache=self.key_cache,
            freshness=self.freshness,
            key_verifier=key_verifier,
            stats=self.stats,
            awaken=self.awaken,
        )

    def gate(self, rules: Mapping[str, object], addresses: ClientAddress | None = None) -> Gate:
        """A gate with *rules* of its own, and its own trust in proxies, over what is known here. Raises ConfigError."""
        table = compile_rules(
            rules,
            known=self.catalogue.known_to_rules(),
            key_types=self.catalogue.key_types,
        )
        return Gate(
            rules=table,
            addresses=addresses or self.addresses,
            key_cache=self.key_cache,
            freshness=self.freshness,
            authenticator=self.authenticator,
            usage=self.usage,
            stats=self.stats,
            encoded_slash=self.settings.encoded_slash == "allow",
            allow_preflight=self.settings.allow_preflight,
            forward_credential=self.settings.forward_credential,
        )

    # -- what the admin API and the command line ask for

    @property
    def prefix(self) -> str:
        """What keys begin with."""
        return self.settings.prefix

    @cached_property
    def lifecycle(self) -> KeyLifecycle:
        """What can be done with keys."""
        settings = self.settings
        issuer = KeyIssuer(self.keyring.signing, self.pool, self.parameters, settings.prefix, settings.persist_digests)
        staleness = settings.max_staleness + settings.max_stale_on_outage
        return KeyLifecycle(self.store, issuer, self.catalogue, now=self.now, max_staleness=staleness)

    @cached_property
    def teams(self) -> Teams:
        """What can be done with teams."""
        return Teams(self.store, self.catalogue, self.now)

    @cached_property
    def audit_log(self) -> AuditLog:
        """What was done."""
        return AuditLog(self.store, prefix=self.settings.prefix)

    @staticmethod
    def now() -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)

    def client_ip(self, scope: Scope) -> str | None:
        """Where a request came from, trusted proxies considered."""
        return self.addresses.of(scope)

    async def inspect(self, text: str) -> Granted | Denied:
        """What a presented key is good for; not counted as use. Raises StoreUnavailable."""
        found = await self.authenticator.authenticate(text.encode("utf-8", "surrogatepass"))
        if isinstance(found, Denied):
            return found
        reason = found.why_invalid(time.time())
        return found.granted if reason is None else Denied(reason, found.key_id)

    # -- start and stop

    async def start(self) -> None:
        """Read the first changes and begin to poll. An unavailable store is tried again; a wrong keyring is not.

        Raises ConfigError if the keyring is not the one the database knows, or the database cannot be used.
        """
        self._open()
        self.workers.serve()
        try:
            await self.freshness.refresh()
            self._check_keyring()
        except Outdated as newer:
            raise ConfigError(f"{newer}; upgrade this one") from newer
        except StoreUnavailable:
            pass  # said once by the freshness, and read again by what begins here
        self._begin()

    async def awaken(self) -> None:
        """Begin to poll if that was not done in this event loop, and refuse to judge under a wrong keyring."""
        if self._awake_in is not asyncio.get_running_loop():
            self._begin()
        if self.freshness.epoch is None:
            await self.freshness.ensure()
        try:
            self._check_keyring()
        except ConfigError as wrong:
            raise StoreUnavailable(str(wrong)) from wrong

    async def stop(self) -> None:
        """Stop polling, write the last uses, and close what is open. Can be called again; so can `start`."""
        loop = asyncio.get_running_loop()
        running = [task for task in self._background if task.get_loop() is loop]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._background = []
        self._awake_in = self.connections.loop = None
        self.store.open()  # cached keys may have been used since an earlier stop
        await self.usage.drain(self.store)
        await self.workers.leave()
        self.pool.close()
        await self.store.close()

    def _open(self) -> None:
        self.pool.open()
        self.store.open()

    def _begin(self) -> None:
        self._open()
        self._awake_in = self.connections.loop = asyncio.get_running_loop()
        self.workers.serve()
        self._background = [
            asyncio.create_task(self._keep_fresh(), name="keyfob-poll"),
            asyncio.create_task(self._keep_usage(), name="keyfob-usage"),
            asyncio.create_task(close_when_lease_expires(self.freshness, self.connections), name="keyfob-lease"),
        ]

    async def _keep_fresh(self) -> None:
        while True:
            await self.store.wait_for_changes(self.settings.max_staleness / 4)
            with suppress(StoreUnavailable):
                await self.freshness.refresh()
                self.workers.tell(self.freshness.epoch, self.freshness.revision)
            self.connections.review_all(time.time(), self.keyring.is_retired)

    async def _keep_usage(self) -> None:
        await self.usage.keep(self.store, every=self.settings.usage_interval)

    # -- the keyring

    def _load_keyring(self) -> Keyring:
        settings = self.settings
        if settings.keyring_data is not None:
            return Keyring.parse(settings.keyring_data)
        if settings.keyring is None:
            msg = 'no keyring is named; say keyring="keyfob.keyring", or set KEYFOB_KEYRING (`keyfob init` makes one)'
            raise ConfigError(msg)
        return load_keyring(settings.keyring)

    def _check_keyring(self) -> None:
        if self._keyring_error is not None:
            raise self._keyring_error

    # -- changes arrive

    def merge(self, changes: Changes) -> None:
        """Take over what changed: states of keys, and the keyring's. Nothing awaits."""
        if self.keyring.apply(changes.keyring):
            try:
                self.keyring.check()
            except ConfigError as wrong:
                log.critical("%s", wrong)
                self._keyring_error = wrong
            else:
                self._keyring_error = None
                self.key_cache.use_hashers(self.keyring.hashers())
        self.key_cache.merge(changes.records)
        self.connections.review_changed(changes.records, time.time())

    def forget(self) -> None:
        """Drop every answer, and look again at each key that something is open for."""
        self.key_cache.forget()
        if self.connections.open_keys():
            task = asyncio.create_task(self._read_open_keys_again())
            self._reviewing.add(task)
            task.add_done_callback(self._reviewing.discard)

    async def _read_open_keys_again(self) -> None:
        for key_id in self.connections.open_keys():
            try:
                found = await self.store.find(key_id)
            except StoreUnavailable:
                found = None
            # Fail closed: what cannot be found in the other history is not good any more.
            if found is None or found.record is None:
                self.connections.end_key(key_id)
            else:
                self.connections.review_changed([found.record], time.time())


def _store_url(settings: Settings) -> str:
    if settings.store is None:
        msg = 'no store is named; say store="sqlite:///keyfob.db", or set KEYFOB_STORE_URL'
        raise ConfigError(msg)
    return settings.store
