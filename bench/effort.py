"""How long a part measures: long enough for its figures, or just long enough to see that it works."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """Every row is measured once in each of *rounds*, for *seconds*."""

    rounds: int
    seconds: float
    is_quick: bool = False  # then its figures are worth nothing, and the results say so

    @classmethod
    def wanted(cls, *, rounds: int, seconds: float) -> Effort:
        """What is written here, or one short round where the environment says ``BENCH_QUICK=1``."""
        if os.environ.get("BENCH_QUICK", "") not in {"", "0"}:
            return QUICK
        return cls(rounds, seconds)

    def as_json(self) -> dict[str, float]:
        """For the raw results."""
        return {"rounds": self.rounds, "seconds": self.seconds, "quick": self.is_quick}


QUICK = Effort(rounds=1, seconds=0.3, is_quick=True)
