"""What the floods showed, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench import cores

if TYPE_CHECKING:
    from bench.effort import Effort

_NOTES = (
    "p99: of the valid requests, each counted from when it was due. lost: of these, not let in or not answered.",
    "CPU: the server's processor time for each bogus request, beyond what the valid ones took in peace.",
    "bare: the same flood on an application without a guard, which answers 200 to all: what server and driver cost.",
    "A flood that is faster than the server is bounded by 64 connections; reached is what it came to.",
)


@dataclass(frozen=True)
class Flooded:
    """One kind of bogus key at one rate."""

    target: str
    kind: str
    idle: dict[str, Any]  # the valid requests in peace
    valid: dict[str, Any]  # the valid requests in the flood
    bogus: dict[str, Any]
    cpu_us: float
    counts: dict[str, int] | None  # what Keyfob counted meanwhile

    @property
    def lost(self) -> int:
        """Valid requests that were not let in, or not answered at all."""
        unanswered: int = self.valid["unanswered"]
        statuses: dict[str, int] = self.valid["statuses"]
        return unanswered + sum(count for status, count in statuses.items() if status != "200")

    def line(self) -> str:
        """For people."""
        head = f"{self.target:46}{self.kind:23}{self.bogus['asked']:7.0f}{self.bogus['reached']:8.0f}"
        times = f"{self.idle['p99_ms']:9.2f}{self.valid['p99_ms']:9.2f}{self.lost:6}{self.cpu_us:9.1f}"
        counts = self.counts or {}
        return head + times + "".join(f"{counts.get(name, '–'):>8}" for name in ("argon2_verifications", "store_reads"))

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "target": self.target,
            "kind": self.kind,
            "idle": self.idle,
            "valid": self.valid,
            "valid_lost": self.lost,
            "bogus": self.bogus,
            "server_cpu_us_per_bogus": self.cpu_us,
            "counts": self.counts,
        }


@dataclass(frozen=True)
class Floods:
    """All of them."""

    effort: Effort
    valid_rate: float
    rows: list[Flooded]
    absent: dict[str, str]

    @property
    def title(self) -> str:
        """What was done."""
        return f"{self.valid_rate:.0f} valid requests a second while bogus keys arrive, one worker"

    def table(self) -> str:
        """For people."""
        lines = [f"{self.title}{', QUICK: these figures say nothing' if self.effort.is_quick else ''}"]
        heads = (
            f"{'asked':>7}{'reached':>8}{'idle p99':>9}{'p99 ms':>9}{'lost':>6}{'CPU µs':>9}{'argon2':>8}{'reads':>8}"
        )
        lines.append(f"{'':67}{heads}")
        lines += [row.line() for row in self.rows]
        lines += [f"{name:69} not measured: {reason}" for name, reason in self.absent.items()]
        return "\n".join([*lines, "", *_NOTES, ""])

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "title": self.title,
            "unit": "ms",
            **self.effort.as_json(),
            "pinned": cores.PINNED,
            "rows": [row.as_json() for row in self.rows],
            "absent": self.absent,
            "notes": _NOTES,
        }
