"""The named statements of PostgreSQL, and how values are bound to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from keyfob.store.sql.named_statements import read_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL = read_statements(__package__)

_NAMED = re.compile(r"(?<![:\w]):([a-z_]+)")  # ``:team``, but not the type in ``value::text``


def bound(sql: str, parameters: Sequence[object] | Mapping[str, object]) -> tuple[str, Sequence[object]]:
    """*sql* as PostgreSQL takes it, with its values in order: those that stand at ``$1`` or those named ``:team``."""
    if not isinstance(parameters, Mapping):
        return sql, parameters
    numbered, names = _numbered(sql)
    return numbered, [parameters[name] for name in names]


@lru_cache(maxsize=512)
def _numbered(sql: str) -> tuple[str, Sequence[str]]:
    names = list(dict.fromkeys(_NAMED.findall(sql)))
    return _NAMED.sub(lambda found: f"${names.index(found[1]) + 1}", sql), names


def holds_nul(parameters: Sequence[object]) -> bool:
    """Whether a text has a NUL in it, which PostgreSQL cannot hold: nothing that it keeps is equal to that."""
    return any(isinstance(value, str) and "\0" in value for value in parameters)
