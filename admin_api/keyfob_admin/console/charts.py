"""Pictures of use, as numbers for SVG: the server draws, so that nothing has to run in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from keyfob.store.contract import UseDay

SPARK_DAYS: Final = 30
SPARK_HEIGHT: Final = 5  # steps; a list of fifty stays light, and nobody sees more
CHART_WIDTH: Final = 720
CHART_HEIGHT: Final = 120
_GAP: Final = 4


@dataclass(frozen=True, slots=True)
class Spark:
    """A small picture of thirty days: the outline of one step a day, in a box of 30 by `SPARK_HEIGHT`."""

    path: str
    total: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: where its two pieces stand, admitted below and denied on top, in pixels from the upper left."""

    day: UseDay
    x: float
    width: float
    top: float
    admitted: float  # height
    denied: float  # height, above the admitted


@dataclass(frozen=True, slots=True)
class BarChart:
    """The days of one key, with the highest count for the axis."""

    bars: tuple[Bar, ...]
    highest: int
    admitted: int
    denied: int


def sparkline(uses: Mapping[date, int], days: Sequence[date]) -> Spark | None:
    """One step for each of *days*, scaled to the highest; None without any use."""
    counts = [uses.get(day, 0) for day in days]
    highest = max(counts, default=0)
    if not highest:
        return None
    steps = "".join(f"V{SPARK_HEIGHT - _height(count, highest)}h1" for count in counts)
    path = f"M0 {SPARK_HEIGHT}{steps}V{SPARK_HEIGHT}"
    return Spark(path, sum(counts))


def bar_chart(days: Sequence[UseDay]) -> BarChart:
    """Bars for *days*, oldest first."""
    highest = max((day.admitted + day.denied for day in days), default=0)
    scale = CHART_HEIGHT / highest if highest else 0
    step = CHART_WIDTH / max(len(days), 1)
    bars = tuple(_bar(day, at * step, step - _GAP, scale) for at, day in enumerate(days))
    return BarChart(bars, highest, sum(d.admitted for d in days), sum(d.denied for d in days))


def _bar(day: UseDay, x: float, width: float, scale: float) -> Bar:
    admitted, denied = round(day.admitted * scale, 1), round(day.denied * scale, 1)
    if day.admitted or day.denied:  # a day with a single use can still be seen
        admitted = max(admitted, 2 if day.admitted else 0)
        denied = max(denied, 2 if day.denied else 0)
    top = max(0, round(CHART_HEIGHT - admitted - denied, 1))
    return Bar(day, round(x, 1), round(width, 1), top, admitted, denied)


def _height(count: int, highest: int) -> int:
    return max(count > 0, round(SPARK_HEIGHT * count / highest))
