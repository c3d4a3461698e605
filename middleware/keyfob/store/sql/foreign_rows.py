"""What foreign keys are found by, on any engine: all use the same statement names and values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from keyfob.store.contract.transaction import Transaction


class Named(Protocol):
    """The part of a transaction that this needs: it runs its engine's statements by name."""

    async def run(self, name: str, parameters: Sequence[object] = ()) -> list[Sequence[Any]]:
        """Run the statement *name* and return all its rows."""
        ...


class ForeignRows:
    """A `keyfob.store.contract.foreign.ForeignTable`; *ask* runs a statement for which requests wait."""

    def __init__(self, ask: Callable[..., Awaitable[tuple[list[Sequence[Any]], str]]]) -> None:
        self._ask = ask

    async def find_id(self, lookups: Sequence[str]) -> str | None:
        """The id of the key that one of *lookups* finds, the longest first."""
        found, _ = await self._ask("find_foreign_key", json.dumps(list(lookups)))
        return str(found[0][0]) if found else None

    async def ids(self, lookups: Collection[str]) -> dict[str, str]:
        """The id of the key that each of *lookups* finds, where there is one."""
        found, _ = await self._ask("find_foreign_keys", json.dumps(list(lookups)))
        return {str(row[0]): str(row[1]) for row in found}

    async def known(self, rows: Transaction, lookups: Collection[str]) -> set[str]:
        """Those of *lookups* that find a key."""
        found = await cast("Named", rows).run("known_foreign_keys", (json.dumps(list(lookups)),))
        return {str(row[0]) for row in found}

    async def add(self, rows: Transaction, lookup: str, key_id: str) -> None:
        """Let *lookup* find the key."""
        await cast("Named", rows).run("add_foreign_key", (lookup, key_id))
