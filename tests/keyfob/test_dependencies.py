"""The oldest versions that Keyfob lets itself be installed with."""

from __future__ import annotations

import tomllib
from pathlib import Path

# Starlette's published advisories that concern what Keyfob or an application around it uses, and where each is fixed.
STARLETTE_FIXED = {
    "GHSA-2c2j-9gv5-cj73": (0, 47, 2),  # large files in forms block the event loop
    "GHSA-7f5h-v6xp-fcq8": (0, 49, 1),  # Range headers take quadratic time
    "GHSA-86qp-5c8j-p5mr": (1, 0, 1),  # a Host header changes request.url.path
    "GHSA-jp82-jpqv-5vv3": (1, 3, 0),  # a path changes request.url.hostname
    "GHSA-82w8-qh3p-5jfq": (1, 3, 1),  # limits of forms are not held
}


def test_ff_59_no_starlette_with_a_known_fault_can_be_installed() -> None:
    """The floor is the first version in which every advisory that concerns us is fixed."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    floor = next(line for line in project["project"]["dependencies"] if line.startswith("starlette>="))

    assert max(STARLETTE_FIXED.values()) == tuple(map(int, floor.removeprefix("starlette>=").split(".")))
