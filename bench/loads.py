"""Requests per second of several applications, measured by several drivers in interleaved rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import cores
from bench.drivers import CONNECTIONS
from bench.drivers.programs import Figures

if TYPE_CHECKING:
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

    def median_of(self, driver: str) -> dict[str, float]:
        """The median of each figure over the rounds."""
        columns = zip(*self.rounds[driver], strict=True)
        return {name: median(column) for name, column in zip(Figures._fields, columns, strict=True)}


@dataclass
class Loads:
    """What a part found."""

    title: str
    effort: Effort
    rows: list[Row]
    notes: tuple[str, ...]
    absent: dict[str, str] = field(default_factory=dict)  # row → why it could not be measured

    def of_bare(self, row: Row, driver: str) -> tuple[float, float]:
        """The medians, over the rounds, of what *row* managed of what its bare row did in the same round.

        The first by requests per second, the second by the server's processor time for each.
        """
        bares = [one for one in self.rows if one.name == row.bare and driver in one.rounds]
        bare = next((one for one in bares if one.server == row.server), bares[0])
        pairs = list(zip(row.rounds[driver], bare.rounds[driver], strict=True))
        by_cpu = [other.cpu_us / own.cpu_us for own, other in pairs if own.cpu_us]
        return median(own.rps / other.rps for own, other in pairs), median(by_cpu or [0.0])

    def table(self) -> str:
        """For people."""
        lines = [f"{self.title}{', QUICK: these figures say nothing' if self.effort.is_quick else ''}"]
        for driver in self._drivers():
            heads = f"{'req/s':>9}{'of bare':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'of bare':>9}"
            lines.append(f"\n{'driven by ' + driver:60}{heads}")
            lines += [self._line(row, driver) for row in self.rows if driver in row.rounds]
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
            of_bare, cpu_of_bare = self.of_bare(row, driver)
            shown[driver] = {**row.median_of(driver), "of_bare": of_bare, "cpu_of_bare": cpu_of_bare}
            shown[driver]["rounds"] = [figures._asdict() for figures in rounds]
        return shown

    def _line(self, row: Row, driver: str) -> str:
        shown = row.median_of(driver)
        of_bare, cpu_of_bare = self.of_bare(row, driver)
        wall = f"{shown['rps']:9.0f}{of_bare:9.3f}{shown['p50_ms']:9.2f}{shown['p99_ms']:9.2f}"
        return f"{f'{row.name}, {row.server}':60}{wall}{shown['cpu_us']:9.1f}{cpu_of_bare:9.3f}"

    def _drivers(self) -> list[str]:
        return list(dict.fromkeys(driver for row in self.rows for driver in row.rounds))
