"""Reads a file of SQL statements, each after a line ``-- name: …``.

``{key_columns}`` in a statement inserts the statement of that name; the same holds for every other name.
"""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_INSERTED = re.compile(r"\{(\w+)\}")


def read_statements(package: str) -> dict[str, str]:
    """The statements of ``queries.sql`` in *package*, by name."""
    text = files(package).joinpath("queries.sql").read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    statements = {name: statement.strip() for name, statement in zip(parts[::2], parts[1::2], strict=True)}
    return {name: _INSERTED.sub(lambda found: statements[found[1]], sql) for name, sql in statements.items()}
