"""The figures of ``README.md``: what other packages did in the same run, from ``peers.json`` and ``flood.json``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

README = Path(__file__).parent.parent / "README.md"
FLOODED_AT = 1_000  # bogus keys a second: the rate at which all of them were flooded
_PLACE = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)
_FIGURE = re.compile(r"(<!-- figure -->).*?(<!-- end figure -->)")
_OURS = ("Starlette, Keyfob", "uvicorn")  # the row whose share of the bare application stands on the first screen
_HEAD = (
    "| the same route, one worker | requests a second | of bare | p99, ms | valid p99, peace → flood, ms | lost |",
    "|---|---:|---:|---:|---:|---:|",
)


def with_comparison(text: str, peers: dict[str, Any], flood: dict[str, Any]) -> str:
    """*text* with the table as the results of both parts say."""
    rows = [_line(row, flood) for row in peers["rows"] if "FastAPI" not in row["name"]]
    text = _FIGURE.sub(lambda found: f"{found[1]}{_share(peers)}{found[2]}", text)
    return _PLACE.sub(lambda found: "\n".join([found[1].rstrip(), *_HEAD, *rows, found[2]]), text)


def _share(peers: dict[str, Any]) -> str:
    """Keyfob's requests per second as a share of the bare application's."""
    (ours,) = (row for row in peers["rows"] if (row["name"], row["server"]) == _OURS)
    return f"{(ours.get('wrk') or ours['our own driver'])['of_bare']:.2f}"


def _line(row: dict[str, Any], flood: dict[str, Any]) -> str:
    """One row; by wrk where it was there, else by our own driver."""
    target = f"{row['name'].removeprefix('Starlette, ')}, {row['server']}"
    measured = row.get("wrk") or row["our own driver"]
    shown = (f"{measured['rps']:,.0f}", f"{measured['of_bare']:.2f}", f"{measured['p99_ms']:.1f}")
    return f"| {' | '.join([target, *shown, *_flooded(target, flood)])} |"


def _flooded(target: str, flood: dict[str, Any]) -> tuple[str, str]:
    """What the kind of bogus key that hurt most did to valid requests, and how many of these all kinds took."""
    kinds = [one for one in flood["rows"] if one["target"] == target and round(one["bogus"]["asked"]) == FLOODED_AT]
    if not kinds:
        return "–", "–"
    worst = max(kinds, key=lambda one: one["valid"]["p99_ms"])
    times = f"{worst['idle']['p99_ms']:,.1f} → {worst['valid']['p99_ms']:,.1f}"
    return times, str(sum(one["valid_lost"] for one in kinds))
