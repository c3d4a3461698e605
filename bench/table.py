"""Figures of one run, their medians, and the table that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Measured:
    """One part: its rows, each with a figure per round, and the row that all are compared with."""

    title: str
    unit: str
    rounds: dict[str, list[float]]  # row → one figure per round, all rounds interleaved
    baseline: str  # the row that costs nothing of what is measured
    beside: str  # the row whose cost over the baseline counts as 1

    def over_baseline(self, row: str) -> float:
        """The median, over all rounds, of what *row* costs more than the baseline did in the same round."""
        pairs = zip(self.rounds[row], self.rounds[self.baseline], strict=True)
        return median(figure - bare for figure, bare in pairs)

    def table(self) -> str:
        """For people."""
        unit = self.over_baseline(self.beside)
        lines = [f"{self.title} ({self.unit}, medians of {len(self.rounds[self.baseline])} interleaved rounds)"]
        lines.append(f"{'':44}{'median':>9}{'over bare':>11}{'ratio':>7}")
        for row, figures in self.rounds.items():
            over = self.over_baseline(row)
            lines.append(f"{row:44}{median(figures):9.2f}{over:11.2f}{over / unit:7.2f}")
        return "\n".join([*lines, f"ratio: cost over bare, with {self.beside!r} as 1", ""])

    def as_json(self) -> dict[str, Any]:
        """For programs: every figure, and what was made of them."""
        rows = {
            row: {"median": median(figures), "over_bare": self.over_baseline(row), "rounds": figures}
            for row, figures in self.rounds.items()
        }
        return {"title": self.title, "unit": self.unit, "baseline": self.baseline, "beside": self.beside, "rows": rows}
