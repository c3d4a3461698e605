"""What every line of our log has, whoever writes it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}


def test_every_line_of_the_log_names_its_event() -> None:
    """A line without `extra` would go by the name of its logger, which says nothing of what happened."""
    nameless = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for folder in ("middleware", "admin_api")
        for file in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        and "extra" not in {keyword.arg for keyword in node.keywords}
    ]

    assert [] == nameless
