"""Writes the tables of `bench/README.md`, and draws the charts in it, from the files in ``bench/results``.

The table of measured figures on the front page, ``README.md``, is written from them, too.

``python -m bench.charts`` does both; without matplotlib the tables alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.comparison import README as FRONT_PAGE
from bench.comparison import with_comparison
from bench.figures import markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE = Path(__file__).parent
README = HERE / "README.md"
_TABLE = re.compile(r"(<!-- results/(\w+)\.json -->\n).*?(<!-- end -->)", re.DOTALL)
_GROWING = {  # row of the table → as the chart calls it
    "cold look-up p50, ms": "cold look-up",
    "list of 50, ms": "list of 50",
    "search that finds one key, ms": "search, one key found",
    "search that finds many keys, ms": "search, many found",
    "poll with nothing new, ms": "poll, nothing new",
}
_OURS, _OTHERS = "#3d8b7d", "#9aa7b4"
_LINES = ("#3d8b7d", "#5b8def", "#d08a2e", "#b069c9", "#c95d63")  # each reads on white and on black
_STYLE = {
    "axes.edgecolor": "#80868f",
    "axes.labelcolor": "#80868f",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": "#80868f",
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.labelcolor": "#80868f",
    "svg.fonttype": "none",  # letters stay letters: small, and read by who cannot see
    "svg.hashsalt": "keyfob",  # the same figures make the same file
    "text.color": "#80868f",
    "xtick.color": "#80868f",
    "ytick.color": "#80868f",
}


def result(part: str) -> dict[str, Any]:
    """What ``scripts/bench`` found out last. Raises FileNotFoundError."""
    found: dict[str, Any] = json.loads(_file(part).read_text(encoding="utf-8"))
    return found


def with_tables(text: str) -> str:
    """*text* with every table as the results say; a part that was not measured yet says so."""
    return _TABLE.sub(lambda found: f"{found[1]}{_table(found[2])}\n{found[3]}", text)


def source_of(part: str) -> str:
    """What a chart says of where its figures come from, so that an old one is noticed. Raises FileNotFoundError."""
    return f"{part}.json, SHA-256 {hashlib.sha256(_file(part).read_bytes()).hexdigest()}"


def draw(folder: Path) -> list[str]:
    """Draw every chart whose figures are there into *folder*, and name them. Needs matplotlib."""
    drawn = [part for part in CHARTS if _file(part).exists()]
    for part in drawn:
        CHARTS[part](folder / f"{part}.svg")
    return drawn


def _file(part: str) -> Path:
    return HERE / "results" / f"{part}.json"


def _table(part: str) -> str:
    try:
        found = result(part)
        table = markdown(found) if "columns" in found else f"```text\n{found['table'].strip()}\n```"
    except (FileNotFoundError, KeyError):
        return f"`scripts/bench {part}` has not been run for this version."
    return f"![The table below as a chart](results/{part}.svg)\n\n{table}" if part in CHARTS else table


@contextmanager
def _axes(part: str, path: Path, count: int, size: tuple[float, float]) -> Iterator[Sequence[Any]]:
    """So many axes to draw on, written to *path* afterwards."""
    import matplotlib as mpl  # noqa: PLC0415 (who only wants tables has no need of it)

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 (as above)

    style: Any = {**_STYLE, "axes.prop_cycle": f"cycler(color={list(_LINES)})"}
    with plt.rc_context(style):
        figure, axes = plt.subplots(1, count, figsize=size, sharey=True, squeeze=False, layout="constrained")
        yield axes[0]
        said = {"Date": None, "Creator": None, "Description": source_of(part)}
        figure.savefig(path, format="svg", transparent=True, metadata=said)
        plt.close(figure)


def _draw_scale(path: Path) -> None:
    scale = result("scale")
    with _axes("scale", path, 2, (9, 3.6)) as axes:
        for axis, engine in zip(axes, ("SQLite", "PostgreSQL"), strict=True):
            chosen = [number for number, column in enumerate(scale["columns"]) if column.startswith(engine)]
            sizes = [int(scale["columns"][number].split()[1].replace(",", "")) for number in chosen]
            for row, name in _GROWING.items():
                axis.loglog(sizes, [scale["rows"][row][number] for number in chosen], marker="o", ms=4, label=name)
            axis.axhline(50, linestyle=":", color="#80868f")
            axis.set(title=engine, xlabel="keys")
            axis.grid(visible=True, which="major")
        axes[0].text(0.01, 50, " 50 ms", transform=axes[0].get_yaxis_transform(), va="bottom", fontsize=8)
        axes[0].set_ylabel("milliseconds")
        axes[0].figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)


def _draw_admit(path: Path) -> None:
    admit = result("admit")
    costs = {name: row["over_bare"] for name, row in admit["rows"].items() if name != admit["baseline"]}
    _draw_bars("admit", path, costs, f"{admit['unit']} over the bare application")


def _draw_http(path: Path) -> None:
    rows = [row for row in result("http")["rows"] if "wrk" in row]
    _draw_bars(
        "http", path, {f"{row['name']}, {row['server']}": row["wrk"]["rps"] for row in rows}, "requests a second"
    )


def _draw_bars(part: str, path: Path, figures: Mapping[str, float], unit: str) -> None:
    with _axes(part, path, 1, (9, 0.6 + 0.26 * len(figures))) as (axis,):
        colours = [_OURS if "Keyfob" in name else _OTHERS for name in figures]
        bars = axis.barh(list(figures), list(figures.values()), color=colours, height=0.7)
        axis.bar_label(bars, fmt="{:,.3g}" if max(figures.values()) < 1000 else "{:,.0f}", padding=4, fontsize=8)
        axis.invert_yaxis()
        axis.set_xlabel(unit)


CHARTS = {"admit": _draw_admit, "http": _draw_http, "scale": _draw_scale}


def compared(text: str) -> str:
    """The front page *text* with what was measured beside other packages, if it was."""
    if not _file("peers").exists() or not _file("flood").exists():
        return text
    return with_comparison(text, result("peers"), result("flood"))


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    FRONT_PAGE.write_text(compared(FRONT_PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    if find_spec("matplotlib"):
        draw(HERE / "results")
