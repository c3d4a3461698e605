"""Every case that docs/threat-model.md lists has a test that carries its id, and the other way round."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LISTED = ("CR", "MW", "SF", "DL", "WS", "FF")  # races, workers, outages, floods, WebSockets, faults seen in the field
_CASE = re.compile(rf"^\| `((?:{'|'.join(LISTED)})-\d\d)` \|", re.MULTILINE)
_IN_NAME = re.compile(r"test_([a-z]{2})_(\d\d)_")


def _carried(path: Path) -> set[str]:
    """The ids of the tests in *path*: in their names, and in the marker `cases` before them or before their class."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if match := _IN_NAME.match(node.name):
            found.add(f"{match[1].upper()}-{match[2]}")
        for marker in node.decorator_list:
            if isinstance(marker, ast.Call) and ast.unparse(marker.func) == "pytest.mark.cases":
                found.update(str(ast.literal_eval(argument)) for argument in marker.args)
    return {case for case in found if case.startswith(LISTED)}


def test_every_case_has_a_test_and_every_test_a_case() -> None:
    """The tables of races, faults and floods list exactly what the tests carry, each case once."""
    listed = _CASE.findall((ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8"))
    carried = set().union(*(_carried(path) for path in (ROOT / "tests").rglob("*.py")))

    assert sorted(set(listed)) == sorted(listed)
    assert sorted(set(listed)) == sorted(carried)
