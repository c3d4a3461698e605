"""One random schedule: a process made of the real modules, a database that changes, and requests in between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, cast

from keyfob.gate.decision import is_key_valid
from keyfob.gate.verdict import Denied, Reason
from tests.model.judging import Answer, Judge
from tests.model.plan import HORIZON, Plan
from tests.model.process import BOUND, REAL, Parts, Process
from tests.model.store import GUESS, KEYS, STATES, Line, Primary
from tests.model.virtual_time import Outside, VirtualLoop

if TYPE_CHECKING:
    from keyfob.gate.verdict import Verdict


@dataclass(slots=True)
class Schedule:
    """One run of everything, the same for the same *seed*."""

    seed: int
    parts: Parts = REAL
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
        self._process = Process(self.parts, line, self._outside, self._plan)
        life = loop.create_task(self._process.live())
        await asyncio.sleep(HORIZON)
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
        rng, timeout_s = self._rng, self.judge.bound
        if rng.random() < self._plan.early:
            return change - rng.random()
        kind = rng.random()
        if kind < 0.45 or self._plan.is_narrow:
            return change + rng.choice((0.01, 0.1, 0.5)) * rng.random()
        if kind < 0.85:
            return change + timeout_s + rng.choice((0.05, 0.5, 2.0)) * rng.random()
        return rng.uniform(0.0, HORIZON)

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
        self._publish_soon(revision)

    def _restore(self) -> None:
        self._primary.restore(self._outside.now, self._backup())
        self._publish_soon(2**63 + len(self._primary.versions))

    def _swap(self) -> None:
        # No signal is published, and later changes may publish numbers seen before: the lease alone bounds this.
        self._primary.swap(self._outside.now, self._backup(), self._rng.randint(1, self._primary.now.revision))
        self.judge.hears = False

    def _backup(self) -> list[str]:
        return [self._rng.choice(STATES) for _ in KEYS]

    def _publish_soon(self, number: int) -> None:
        """The one who changed something may be held up between the commit, the signal, and its return."""
        version = len(self._primary.versions) - 1
        when = self._outside.now + self._rng.choice((0.0, 0.001, 0.4)) * self._rng.random()

        def publish() -> None:
            self._primary.signal.value = number
            self.judge.returned.append((self._outside.now, version))

        self._outside.at(when, publish)

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
        self.judge.listen(Answer(what, text, key_id, method, began, self._outside.now))


def _named(verdict: Verdict) -> str:
    if not isinstance(verdict, Denied):
        return "admitted"
    if verdict.reason in {Reason.UNAVAILABLE, Reason.SATURATED}:
        return "unavailable"
    return "forbidden" if is_key_valid(verdict) else "invalid"
