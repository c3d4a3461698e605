"""One random schedule: a process made of the real rooms, a database that changes, and requests in between."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, cast

from keyfob.client_address import ClientAddress
from keyfob.errors import StoreUnavailable
from keyfob.freshness import Freshness
from keyfob.gate import Gate, is_key_valid
from keyfob.hashing import Argon2Parameters
from keyfob.identification import Identification
from keyfob.proofs import Proofs
from keyfob.recognition import Recogniser
from keyfob.ring_in_use import RingInUse
from keyfob.rules import compile_rules
from keyfob.stats import Stats
from keyfob.usage import Usage
from keyfob.verdict import Denied, Reason
from tests.model.judging import Answer, Judge
from tests.model.store import GUESS, KEYS, RING, STATES, Leg, Line, Primary, Weather
from tests.model.virtual_time import Outside, VirtualLoop

if TYPE_CHECKING:
    from keyfob.argon2_pool import Argon2Pool
    from keyfob.store import Changes
    from keyfob.verdict import Verdict

BOUND = 2.0  # seconds; `max_staleness`
_HORIZON = 6.0  # seconds that a schedule lasts
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
    """The rooms, wired as `keyfob.runtime.Runtime` wires them."""

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
            now=lambda: 1.8e9 + outside.now + plan.wall_step * (outside.now > _HORIZON / 2),
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn for a whole schedule."""

    hears: bool
    is_calm: bool
    cache_size: int
    allowance: float  # seconds; `max_stale_on_outage`
    persist_proofs: bool
    argon2_time: int  # 1 is what the stored hashes were made with, so 2 lets every check hash anew
    wall_step: float  # seconds that the wall clock jumps
    is_narrow: bool  # one key alone is switched to and fro, and room for one only
    changes: tuple[float, ...]  # when something is changed
    early: float  # how likely a request comes before a change: without any, keys stay cold
    weather: Weather
    pause_chance: float

    @classmethod
    def drawn(cls, rng: Random) -> Plan:
        is_calm = rng.random() < 0.1
        slow = {leg: 0.0 if is_calm else rng.choice((0.0, 0.0, 0.1, 0.7)) for leg in Leg}
        grid = rng.choice((0.0, 0.1))
        changes = [rng.uniform(0.2, 3.0)]
        is_narrow = not is_calm and rng.random() < 0.25
        if is_narrow:
            slow = dict.fromkeys(Leg, 0.0) | {Leg.CHANGES: 0.7}
        for _ in range(3 if is_narrow else rng.choice((0, 0, 1, 2))):
            changes.append(changes[-1] + rng.choice((0.02, 0.5, 0.5 if is_narrow else 2.5)) * rng.random())
        return cls(
            hears=rng.random() < (0.2 if is_narrow else 0.5),
            is_calm=is_calm,
            cache_size=1 if is_narrow else rng.choice((0, 1, 1, 2, 3)),
            allowance=rng.choice((0.0, 0.0, 1.0)),
            persist_proofs=rng.random() < 0.5,
            argon2_time=rng.choice((1, 1, 2)),
            wall_step=rng.choice((0.0, -86_400.0, 86_400.0)),
            is_narrow=is_narrow,
            changes=tuple(changes),
            early=rng.choice((0.0, 0.2, 0.5)),
            weather=Weather(
                slow, rng.choice((0.5, 1.9, 1.9, 4.0)), grid, () if is_calm or is_narrow else _outages(rng, changes)
            ),
            pause_chance=0.0 if is_calm else rng.choice((0.0, 0.01, 0.05)),
        )


def _outages(rng: Random, changes: list[float]) -> tuple[tuple[float, float, bool], ...]:
    if rng.random() < 0.5:
        return ()
    begin = rng.choice(changes) + rng.uniform(-1.0, 0.5)
    return ((begin, begin + rng.choice((0.7, 3.0, 5.0)), rng.random() < 0.3),)


@dataclass(slots=True)
class Schedule:
    """One run of everything, the same for the same *seed*."""

    seed: int
    rooms: Rooms = REAL
    judge: Judge = field(init=False)
    _rng: Random = field(init=False)
    _plan: Plan = field(init=False)
    _outside: Outside = field(init=False)
    _primary: Primary = field(init=False)
    _process: Process = field(init=False)
    _requests: list[asyncio.Task[None]] = field(default_factory=list)

    def run(self) -> Judge:
        """Let it happen, and hand over the judge."""
        rng = self._rng = Random(self.seed)  # noqa: S311 - to be repeated, not to be secret
        plan = self._plan = Plan.drawn(rng)
        self._outside = Outside(rng, pause_chance=plan.pause_chance, pauses=(0.001, 0.05, 0.6, 2.5))
        self._primary = Primary(["good", rng.choice(("good", "narrow")), rng.choice(STATES)])
        self.judge = Judge(BOUND + plan.allowance, self._primary.versions, hears=plan.hears, is_calm=plan.is_calm)
        self._foresee()
        loop = VirtualLoop(self._outside)
        try:
            loop.run_until_complete(self._happen(loop))
        finally:
            loop.close()
        self.judge.faults += self._outside.complaints
        return self.judge

    async def _happen(self, loop: VirtualLoop) -> None:
        line = Line(self._primary, self._outside, self._rng, self._plan.weather, hears=self._plan.hears)
        self._process = Process(self.rooms, line, self._outside, self._plan)
        life = loop.create_task(self._process.live())
        await asyncio.sleep(_HORIZON)
        self._outside.end()
        await asyncio.gather(*self._requests, return_exceptions=True)
        if life.done():
            self.judge.faults.append("polling was ended by a request that left")
        left = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # -- what is going to happen

    def _foresee(self) -> None:
        plan, rng = self._plan, self._rng
        for change in plan.changes:
            self._foresee_change(plan.weather.lasting(change))
        for _ in range(20 if plan.is_narrow else rng.randint(4, 8)):
            self._foresee_requests(plan.weather.lasting(max(0.0, self._moment(rng.choice(plan.changes)))))

    def _moment(self, change: float) -> float:
        """When to ask: around a change, just after it had to be known, or whenever."""
        rng, patience = self._rng, self.judge.bound
        if rng.random() < self._plan.early:
            return change - rng.random()
        kind = rng.random()
        if kind < 0.45 or self._plan.is_narrow:
            return change + rng.choice((0.01, 0.1, 0.5)) * rng.random()
        if kind < 0.85:
            return change + patience + rng.choice((0.05, 0.5, 2.0)) * rng.random()
        return rng.uniform(0.0, _HORIZON)

    def _foresee_change(self, when: float) -> None:
        kind = self._rng.random()
        if self._plan.is_narrow:
            self._outside.at(when, partial(self._change, KEYS[0].key_id, self._rng.choice(STATES[:3])))
        elif kind < 0.75:
            key_id = KEYS[0 if self._rng.random() < 0.75 else self._rng.randrange(3)].key_id
            self._outside.at(when, partial(self._change, key_id, self._rng.choice(STATES[:-1])))
        else:
            self._outside.at(when, self._restore if kind < 0.85 else self._swap)

    def _change(self, key_id: str, state: str) -> None:
        revision = self._primary.change(self._outside.now, key_id, state)
        self._ring_soon(revision)

    def _restore(self) -> None:
        self._primary.restore(self._outside.now, self._backup())
        self._ring_soon(2**63 + len(self._primary.versions))

    def _swap(self) -> None:
        # Nobody rings, and later changes may ring numbers that were heard before: the lease alone bounds this.
        self._primary.swap(self._outside.now, self._backup(), self._rng.randint(1, self._primary.now.revision))
        self.judge.hears = False

    def _backup(self) -> list[str]:
        return [self._rng.choice(STATES) for _ in KEYS]

    def _ring_soon(self, number: int) -> None:
        """The one who changed something may be held up between the commit, the bell, and its return."""
        version = len(self._primary.versions) - 1
        rings = self._outside.now + self._rng.choice((0.0, 0.001, 0.4)) * self._rng.random()

        def ring() -> None:
            self._primary.bell[0] = number
            self.judge.returned.append((self._outside.now, version))

        self._outside.at(rings, ring)

    def _foresee_requests(self, when: float) -> None:
        rng = self._rng
        luck = rng.random()
        text = GUESS.text if luck > 0.95 else KEYS[0 if luck < 0.65 else rng.randrange(1, 3)].text
        method = rng.choice(("GET", "POST"))
        if self._plan.is_narrow:
            text, method = KEYS[luck > 0.8].text, "POST"
        for _ in range(rng.choice((1, 1, 1, 3))):
            leaves_after = rng.choice((0.01, 1.0)) * rng.random() if rng.random() < 0.15 else None
            self._outside.at(when, partial(self._begin, text, method, leaves_after))

    def _begin(self, text: str, method: str, leaves_after: float | None) -> None:
        task = asyncio.get_running_loop().create_task(self._ask(text, method, self._outside.now, leaves_after))
        self._requests.append(task)
        if leaves_after is not None:
            self._outside.at(self._outside.now + leaves_after, lambda: cast("Any", task.cancel()))

    async def _ask(self, text: str, method: str, began: float, leaves_after: float | None) -> None:
        try:
            what = _named(await self._process.ask(text, method))
        except asyncio.CancelledError:
            if leaves_after is None:
                self.judge.faults.append("a request was cancelled because another one left")
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not come out of a gate
            what = repr(error)
        key_id = KEYS[0].key_id if text == GUESS.text else text.split("_")[2]
        self.judge.hear(Answer(what, text, key_id, method, began, self._outside.now))


def _named(verdict: Verdict) -> str:
    if not isinstance(verdict, Denied):
        return "admitted"
    if verdict.reason in {Reason.UNAVAILABLE, Reason.SATURATED}:
        return "unavailable"
    return "forbidden" if is_key_valid(verdict) else "invalid"
