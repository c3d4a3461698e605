"""One process, made of the real rooms."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from keyfob.errors import StoreUnavailable
from keyfob.gate.authenticator import Identification
from keyfob.gate.client_address import ClientAddress
from keyfob.gate.gate import Gate
from keyfob.gate.key_cache import Proofs
from keyfob.gate.key_verifier import Recogniser
from keyfob.gate.stats import Stats
from keyfob.gate.usage import Usage
from keyfob.keyring.active import RingInUse
from keyfob.keys.hashing import Argon2Parameters
from keyfob.propagation.freshness import Freshness
from keyfob.rules.compiler import compile_rules
from tests.model.plan import HORIZON, Plan
from tests.model.store import RING, Line

if TYPE_CHECKING:
    from keyfob.gate.verdict import Verdict
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.store.contract import Changes
    from tests.model.virtual_time import Outside

BOUND = 2.0  # seconds; `max_staleness`
_RULES = compile_rules({"GET /items": "items:read", "POST /items": "items:write"}, known=None, key_types=("api",))
_ADDRESSES = ClientAddress()


@dataclass(frozen=True, slots=True)
class Rooms:
    """The classes that a process is made of; a test may put one in that lacks a rule."""

    freshness: type[Freshness] = Freshness
    proofs: type[Proofs] = Proofs
    recogniser: type[Recogniser] = Recogniser
    identification: type[Identification] = Identification
    gate: type[Gate] = Gate


REAL = Rooms()


class Process:
    """The rooms, wired as `keyfob.runtime.runtime.Runtime` wires them."""

    def __init__(self, rooms: Rooms, line: Line, outside: Outside, plan: Plan) -> None:
        stats = Stats()
        self.ring = RingInUse(lambda: RING, outside.clock)
        self.proofs = rooms.proofs(plan.cache_size, lambda bought, _: bought == "free")
        self.freshness = rooms.freshness(
            line, self, max_staleness=BOUND, max_stale_on_outage=plan.allowance, clock=outside.clock
        )
        recogniser = rooms.recogniser(
            lookup=line,
            proofs=self.proofs,
            freshness=self.freshness,
            ring=self.ring,
            pool=cast("Argon2Pool", line),
            parameters=Argon2Parameters(8, plan.argon2_time),
            brand="kf",
            persist_proofs=plan.persist_proofs,
            stats=stats,
        )
        identification = rooms.identification(
            proofs=self.proofs,
            freshness=self.freshness,
            recogniser=recogniser,
            stats=stats,
            awaken=self._awaken,
        )
        self.gate = rooms.gate(
            rules=_RULES,
            addresses=_ADDRESSES,
            proofs=self.proofs,
            freshness=self.freshness,
            identification=identification,
            usage=Usage(stats),
            stats=stats,
            now=lambda: 1.8e9 + outside.now + plan.wall_step * (outside.now > HORIZON / 2),
        )

    async def _awaken(self) -> None:
        if self.freshness.epoch is None:
            await self.freshness.ensure()

    def merge(self, changes: Changes) -> None:
        if self.ring.apply(changes.ring):
            self.proofs.use_hashers(self.ring.hashers())
        self.proofs.merge(changes.records)

    def forget(self) -> None:
        self.proofs.forget()

    async def live(self) -> None:
        with suppress(StoreUnavailable):
            await self.freshness.refresh()
        while True:
            await asyncio.sleep(BOUND / 4)
            with suppress(StoreUnavailable):
                await self.freshness.refresh()

    async def ask(self, text: str, method: str) -> Verdict:
        headers = [(b"authorization", b"Bearer " + text.encode())]
        client = ("203.0.113.9", 1)
        scope = {"type": "http", "method": method, "path": "/items", "client": client, "headers": headers}
        verdict, *_ = self.gate.judge_at_once(scope, [], headers) or await self.gate.admit(scope, headers)
        return verdict
