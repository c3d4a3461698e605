"""Figures that grow with something: a row for each thing measured, a column for each size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Figures:
    """One part: what was measured, at which sizes."""

    title: str
    columns: list[str]
    rows: Mapping[str, Sequence[float | None]]  # row, with its unit → one figure for each column
    notes: list[str]

    def table(self) -> str:
        """For people."""
        wide = max(12, *(len(column) + 2 for column in self.columns))
        lines = [self.title, f"{'':46}" + "".join(f"{column:>{wide}}" for column in self.columns)]
        lines += [f"{row:46}" + "".join(f"{_short(one):>{wide}}" for one in ones) for row, ones in self.rows.items()]
        return "\n".join([*lines, *self.notes, ""])

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"title": self.title, "columns": self.columns, "rows": self.rows, "notes": self.notes}


def markdown(result: dict[str, Any]) -> str:
    """The table of a result file, as `bench/README.md` shows it."""
    head = f"| {result['title']} | " + " | ".join(result["columns"]) + " |"
    rule = "|---|" + "---:|" * len(result["columns"])
    rows = [f"| {row} | " + " | ".join(map(_short, figures)) + " |" for row, figures in result["rows"].items()]
    return "\n".join([head, rule, *rows, "", *result["notes"]])


def quantile(figures: list[float], share: float) -> float:
    """The smallest figure that *share* of all are not above."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _short(figure: float | None) -> str:
    if figure is None:
        return "–"
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
