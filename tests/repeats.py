"""Writes `tests/repeats.txt`, the test functions that go through no line which cheaper ones do not go through.

Coverage does not measure them: that takes twice their time. It needs a run in which nothing was left out::

    rm tests/repeats.txt
    scripts/test --cov --cov-context=test --junitxml=build/tests.xml
    .venv/bin/python -m tests.repeats

A test that is new, or has a new name, is measured until this runs again; nobody has to run it.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".txt")
_ENOUGH = 0.9965  # of all that was gone through: what is left is not worth measuring a test
_WORTH_IT = 0.3  # seconds that a function takes, with tracing; those below would make a long list and save little

Arcs = set[tuple[int, int, int]]


def names() -> frozenset[str]:
    """The functions that repeat, as ``path::name``."""
    return frozenset(LIST.read_text(encoding="utf-8").split() if LIST.exists() else ())


def function_of(node: str) -> str:
    """Which function a test is of: its id without the values."""
    return node.partition("[")[0]


def _arcs_by_function(database: Path) -> dict[str, Arcs]:
    found: dict[str, Arcs] = defaultdict(set)
    with closing(sqlite3.connect(database)) as connection:
        rows = "SELECT context, file_id, fromno, tono FROM arc JOIN context ON context.id = context_id"
        for context, *arc in connection.execute(rows):
            found[function_of(context.partition("|")[0])].add((arc[0], arc[1], arc[2]))
    return found


def _seconds_by_function(report: Path) -> dict[str, float]:
    """How long each took, from a report whose names are those of modules and classes."""
    found: dict[str, float] = defaultdict(float)
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        *modules, last = case.attrib["classname"].split(".")
        in_class = last.startswith("Test")
        path = "/".join(modules if in_class else [*modules, last]) + ".py"
        name = f"{path}::{last}::" if in_class else f"{path}::"
        found[name + function_of(case.attrib["name"])] += float(case.attrib["time"])
    return found


def _needed(arcs: dict[str, Arcs], seconds: dict[str, float]) -> set[str]:
    """Choose functions until they go through nearly all: whichever adds most for its time comes next."""
    gone = set(arcs.get("", ()))  # in programs that tests started
    enough = _ENOUGH * len(set().union(*arcs.values()))
    chosen: set[str] = set()
    left = {name: found - gone for name, found in arcs.items() if name in seconds}
    while len(gone) < enough:
        best = max(left, key=lambda name: len(left[name]) / (seconds[name] + 0.01))
        chosen.add(best)
        added = left.pop(best)
        gone |= added
        left = {name: rest for name, found in left.items() if (rest := found - added)}
    return chosen


def main() -> None:
    """Write the list anew."""
    seconds = _seconds_by_function(ROOT / "build" / "tests.xml")
    needed = _needed(_arcs_by_function(ROOT / ".coverage"), seconds)
    repeating = sorted(name for name in seconds if name not in needed and seconds[name] >= _WORTH_IT)
    LIST.write_text("".join(f"{name}\n" for name in repeating), encoding="utf-8")


if __name__ == "__main__":
    main()
