"""One process, made of the real modules."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from keyfob.errors import StoreUnavailable
from keyfob.gate.authenticator import Authenticator
from keyfob.gate.client_address import ClientAddress
from keyfob.gate.gate import Gate
from keyfob.gate.key_cache import KeyCache
from keyfob.gate.key_verifier import KeyVerifier
from keyfob.gate.stats import Stats
from keyfob.gate.usage import Usage
from keyfob.keyring.active import ActiveKeyring
from keyfob.keys.hashing import Argon2Parameters
from keyfob.propagation.freshness import Freshness
from keyfob.rules.compiler import compile_rules
from tests.model.plan import HORIZON, Plan
from tests.model.store import KEYRING, Line

if TYPE_CHECKING:
    from keyfob.gate.verdict import Verdict
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.store.contract.key_store import Changes
    from tests.model.virtual_time import Outside

BOUND = 2.0  # seconds; `max_staleness`
_RULES = compile_rules({"GET /items": "items:read", "POST /items": "items:write"}, known=None, key_types=("api",))
_ADDRESSES = ClientAddress()


@dataclass(frozen=True, slots=True)
class Parts:
    """The classes that a process is made of; a test may put one in that lacks a rule."""

    freshness: type[Freshness] = Freshness
    key_cache: type[KeyCache] = KeyCache
    key_verifier: type[KeyVerifier] = KeyVerifier
    authenticator: type[Authenticator] = Authenticator
    gate: type[Gate] = Gate


REAL = Parts()


class Process:
    """The modules, wired as `keyfob.runtime.runtime.Runtime` wires them."""

    def __init__(self, parts: Parts, line: Line, outside: Outside, plan: Plan) -> None:
        stats = Stats()
        self.keyring = ActiveKeyring(lambda: KEYRING, outside.clock)
        self.key_cache = parts.key_cache(plan.cache_size, lambda bought, _: bought == "free")
        self.freshness = parts.freshness(
            line, self, max_staleness=BOUND, max_stale_on_outage=plan.allowance, clock=outside.clock
        )
        key_verifier = parts.key_verifier(
            lookup=line,
            key_cache=self.key_cache,
            freshness=self.freshness,
            keyring=self.keyring,
            pool=cast("Argon2Pool", line),
            parameters=Argon2Parameters(8, plan.argon2_time),
            prefix="kf",
            persist_digests=plan.persist_digests,
            stats=stats,
        )
        authenticator = parts.authenticator(
            key_cache=self.key_cache,
            freshness=self.freshness,
            key_verifier=key_verifier,
            stats=stats,
            awaken=self._awaken,
        )
        self.gate = parts.gate(
            rules=_RULES,
            addresses=_ADDRESSES,
            key_cache=self.key_cache,
            freshness=self.freshness,
            authenticator=authenticator,
            usage=Usage(stats),
            stats=stats,
            now=lambda: 1.8e9 + outside.now + plan.wall_step * (outside.now > HORIZON / 2),
        )

    async def _awaken(self) -> None:
        if self.freshness.epoch is None:
            await self.freshness.ensure()

    def merge(self, changes: Changes) -> None:
        if self.keyring.apply(changes.keyring):
            self.key_cache.use_hashers(self.keyring.hashers())
        self.key_cache.merge(changes.records)

    def forget(self) -> None:
        self.key_cache.forget()

    async def live(self) -> None:
        with suppress(StoreUnavailable):
            await self.freshness.refresh()
        while True:
            await asyncio.sleep(BOUND / 4)
            with suppress(StoreUnavailable):
                await self.freshness.refresh()

    async def ask(self, text: str, method: str) -> Verdict:
        headers = [(b"authorization", b"Bearer " + text.encode())]
        scope = {"type": "http", "method": method, "path": "/items", "raw_path": b"/items", "root_path": ""}
        scope |= {"client": ("203.0.113.9", 1), "headers": headers}
        admission = self.gate.judge(scope)
        return (admission if isinstance(admission, tuple) else await admission)[0]
