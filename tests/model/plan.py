"""What is drawn for a whole schedule, before anything happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.model.store import Leg, Weather

if TYPE_CHECKING:
    from random import Random

HORIZON = 6.0  # seconds that a schedule lasts


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn for a whole schedule."""

    hears: bool
    is_calm: bool
    cache_size: int
    allowance: float  # seconds; `max_stale_on_outage`
    persist_digests: bool
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
            persist_digests=rng.random() < 0.5,
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
