"""Writes the tables of `bench/README.md`, and draws the charts beside them, from the files in ``bench/results``.

``python -m bench.charts`` does both; without matplotlib the tables alone.
"""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.figures import markdown

HERE = Path(__file__).parent
README = HERE / "README.md"
_TABLE = re.compile(r"(<!-- results/(\w+)\.json -->\n).*?(<!-- end -->)", re.DOTALL)
GROWING = ("cold look-up p50, ms", "list of 50, ms", "search that finds one key, ms", "poll with nothing new, ms")


def result(part: str) -> dict[str, Any]:
    """What ``scripts/bench`` found out last. Raises FileNotFoundError."""
    found: dict[str, Any] = json.loads((HERE / "results" / f"{part}.json").read_text(encoding="utf-8"))
    return found


def with_tables(text: str) -> str:
    """*text* with every table as the results say; a part that was not measured yet says so."""
    return _TABLE.sub(lambda found: f"{found[1]}{_table(found[2])}\n{found[3]}", text)


def _table(part: str) -> str:
    try:
        found = result(part)
        return markdown(found) if "columns" in found else f"```text\n{found['table'].strip()}\n```"
    except (FileNotFoundError, KeyError):
        return f"`scripts/bench {part}` has not been run for this version."


def draw() -> None:
    """Draw how what was measured grows with the number of keys."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 (who only wants tables has no need of it)

    scale = result("scale")
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axis, engine in zip(axes, ("SQLite", "PostgreSQL"), strict=True):
        chosen = [number for number, column in enumerate(scale["columns"]) if column.startswith(engine)]
        sizes = [int(scale["columns"][number].split()[1].replace(",", "")) for number in chosen]
        for row in GROWING:
            axis.loglog(sizes, [scale["rows"][row][number] for number in chosen], marker="o", label=row)
        axis.set_title(engine)
        axis.set_xlabel("keys")
    axes[0].set_ylabel("milliseconds")
    axes[1].legend(fontsize="small")
    figure.savefig(HERE / "results" / "scale.svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    if find_spec("matplotlib") and (HERE / "results" / "scale.json").exists():
        draw()
