"""`python -m bench [part …]`: measure, print a table, and keep the raw figures."""

from __future__ import annotations

import asyncio
import json
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench import (
    admit,
    cold,
    create,
    fleet,
    flood,
    http_load,
    limits,
    lists,
    peer_load,
    revocation,
    scale,
    usage,
    windows,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Result(Protocol):
    """What a part found out."""

    def table(self) -> str:
        """For people."""
        ...

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        ...


PARTS: dict[str, Callable[[], Coroutine[Any, Any, Result]]] = {
    "admit": admit.measure,
    "flood": flood.measure,
    "http": http_load.measure,
    "peers": peer_load.measure,
    "revocation": revocation.measure,
    "create": create.measure,
    "cold": cold.measure,
    "usage": usage.measure,
    "scale": scale.measure,
    "lists": lists.measure,
    "fleet": fleet.measure,
    "limits": limits.measure,
    "windows": windows.measure,
}
RESULTS = Path(__file__).parent / "results"


def main(asked: list[str]) -> int:
    """Run the parts that were *asked* for, or all."""
    unknown = [name for name in asked if name not in PARTS]
    if unknown:
        print(f"there is no part {', '.join(unknown)}; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    for name in asked or PARTS:
        measured = asyncio.run(PARTS[name]())
        table = measured.table()
        print(table)
        machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps({"part": name, **machine, "table": table, **measured.as_json()}, indent=1)
        (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
