"""Pictures of use, as numbers for SVG: the server draws, so that nothing has to run in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyfob_admin.console import humanize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from keyfob.store.contract.key_store import UseDay
    from keyfob.store.contract.use_details import UseHour

SPARK_DAYS: Final = 30
SPARK_HEIGHT: Final = 8  # steps of three pixels; a list of fifty stays light
CHART_WIDTH: Final = 720
CHART_HEIGHT: Final = 148
_BAR: Final = 8
_SHARE: Final = 0.66  # of its place, that a bar takes where many are close together
_ROUND: Final = (10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100)  # tenths of a power of ten
_TICKS: Final = 3


@dataclass(frozen=True, slots=True)
class Spark:
    """A small picture of thirty days: one bar a day, in a box of 30 by `SPARK_HEIGHT`."""

    path: str
    total: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One day or hour: where its pieces are, admitted below, then limited, denied on top, in pixels from above left."""

    name: str
    use: UseDay | UseHour
    x: float
    width: float
    top: float
    admitted: float  # height
    limited: float
    denied: float


@dataclass(frozen=True, slots=True)
class BarChart:
    """The days or hours of one key, with the highest count and what is written at the axis, top first."""

    unit: str  # "day" or "hour"
    bars: tuple[Bar, ...]
    highest: int
    labels: tuple[str, str, str]
    ticks: tuple[str, ...]  # what is written below: the first, the last, and two between
    admitted: int
    limited: int
    denied: int


def sparkline(uses: Mapping[date, int], days: Sequence[date]) -> Spark | None:
    """One bar for each of *days*, scaled to the highest; None without any use."""
    counts = [uses.get(day, 0) for day in days]
    highest = max(counts, default=0)
    if not highest:
        return None
    return Spark(f"M0 {SPARK_HEIGHT}" + "".join(_step(count, highest) for count in counts), sum(counts))


def by_day(days: Sequence[UseDay]) -> BarChart:
    """Bars for *days*, oldest first."""
    return _chart("day", days, [humanize.day(use.day) for use in days], [humanize.short_day(use.day) for use in days])


def by_hour(hours: Sequence[UseHour]) -> BarChart:
    """Bars for *hours*, oldest first."""
    return _chart("hour", hours, [humanize.moment(use.at) for use in hours], [f"{use.at:%H:%M}" for use in hours])


def _chart(unit: str, uses: Sequence[UseDay | UseHour], names: Sequence[str], short: Sequence[str]) -> BarChart:
    highest = max((use.total for use in uses), default=0)
    top = round_top(highest)
    width = min(_BAR, round(CHART_WIDTH / max(len(uses), 1) * _SHARE, 1))
    step = (CHART_WIDTH - width) / max(len(uses) - 1, 1)
    bars = tuple(
        _bar(name, use, at * step, width, CHART_HEIGHT / top)
        for at, (name, use) in enumerate(zip(names, uses, strict=True))
    )
    labels = (_short(top), _short(top // 2), "0")
    ticks = tuple(short[round(at * (len(short) - 1) / _TICKS)] for at in range(_TICKS + 1))
    counts = (sum(use.admitted for use in uses), sum(use.limited for use in uses), sum(use.denied for use in uses))
    return BarChart(unit, bars, highest, labels, ticks, *counts)


def round_top(highest: int) -> int:
    """Return the least round number that is not below *highest*, and whose half is a whole and round number, too."""
    power: int = 10 ** (len(str(highest)) - 1)
    tops = (step * power // 10 for step in _ROUND if step * power % 20 == 0)
    return next(top for top in tops if top >= highest)


def _short(number: int) -> str:
    """Write *number* for an axis: ``800``, ``16k``, ``1.5M``."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:g}{unit}"
    return str(number)


def _bar(name: str, use: UseDay | UseHour, x: float, width: float, scale: float) -> Bar:
    # A single use can still be seen.
    heights = [max(round(count * scale, 1), 2) if count else 0 for count in (use.admitted, use.limited, use.denied)]
    too_much = max(0.0, sum(heights) - CHART_HEIGHT)
    heights[heights.index(max(heights))] -= too_much  # what makes the small ones seen comes off the largest
    top = max(0, round(CHART_HEIGHT - sum(heights), 1))
    return Bar(name, use, round(x, 1), round(width, 1), top, *heights)


def _step(count: int, highest: int) -> str:
    """Draw one day as a stroke, which the stylesheet makes a bar, and go on to the next, in words that pack well."""
    drawn = f"V{SPARK_HEIGHT - _height(count, highest)}V{SPARK_HEIGHT}" if count else ""
    return f"{drawn}m1 0"


def _height(count: int, highest: int) -> int:
    return max(count > 0, round(SPARK_HEIGHT * count / highest))
