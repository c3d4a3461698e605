"""Requests per second of several applications, measured by several drivers in interleaved rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import cores
from bench.drivers import CONNECTIONS

if TYPE_CHECKING:
    from bench.drivers.programs import Figures
    from bench.effort import Effort


@dataclass
class Row:
    """One application on one server."""

    server: str
    name: str
    bare: str  # the row of the same server that it is compared with
    lines: int | None = None  # of set-up
    rounds: dict[str, list[Figures]] = field(default_factory=dict)  # driver → figures, one per round

    def add(self, driver: str, figures: Figures) -> None:
        """Keep what *driver* found in one round."""
        self.rounds.setdefault(driver, []).append(figures)

    def median_of(self, driver: str) -> tuple[float, float, float]:
        """Requests per second, p50 and p99 in milliseconds: the median of each over the rounds."""
        rps, p50, p99 = zip(*self.rounds[driver], strict=True)
        return median(rps), median(p50), median(p99)


@dataclass
class Loads:
    """What a part found."""

    title: str
    effort: Effort
    rows: list[Row]
    notes: tuple[str, ...]
    absent: dict[str, str] = field(default_factory=dict)  # row → why it could not be measured

    def of_bare(self, row: Row, driver: str) -> float:
        """The median, over the rounds, of *row*'s requests per second in those of its bare row in the same round."""
        bares = [one for one in self.rows if one.name == row.bare and driver in one.rounds]
        bare = next((one for one in bares if one.server == row.server), bares[0])
        pairs = zip(row.rounds[driver], bare.rounds[driver], strict=True)
        return median(own.rps / other.rps for own, other in pairs)

    def table(self) -> str:
        """For people."""
        lines = [f"{self.title}{', QUICK: these figures say nothing' if self.effort.is_quick else ''}"]
        for driver in self._drivers():
            lines.append(f"\n{'driven by ' + driver:60}{'req/s':>9}{'of bare':>9}{'p50 ms':>9}{'p99 ms':>9}")
            for row in self.rows:
                if driver in row.rounds:
                    rps, p50, p99 = row.median_of(driver)
                    name = f"{row.name}, {row.server}"
                    lines.append(f"{name:60}{rps:9.0f}{self.of_bare(row, driver):9.3f}{p50:9.2f}{p99:9.2f}")
        lines += [f"{name:60}not measured: {reason}" for name, reason in self.absent.items()]
        return "\n".join([*lines, "", *self.notes, ""])

    def as_json(self) -> dict[str, Any]:
        """For programs: every figure, and what was made of them."""
        return {
            "title": self.title,
            "unit": "requests per second",
            **self.effort.as_json(),
            "connections": CONNECTIONS,
            "pinned": cores.PINNED,
            "rows": [self._row(row) for row in self.rows],
            "absent": self.absent,
            "notes": self.notes,
        }

    def _row(self, row: Row) -> dict[str, Any]:
        shown: dict[str, Any] = {"name": row.name, "server": row.server, "bare": row.bare, "set_up_lines": row.lines}
        for driver, rounds in row.rounds.items():
            rps, p50, p99 = row.median_of(driver)
            shown[driver] = {"rps": rps, "of_bare": self.of_bare(row, driver), "p50_ms": p50, "p99_ms": p99}
            shown[driver]["rounds"] = [figures._asdict() for figures in rounds]
        return shown

    def _drivers(self) -> list[str]:
        return list(dict.fromkeys(driver for row in self.rows for driver in row.rounds))
