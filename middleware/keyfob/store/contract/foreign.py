"""What foreign keys are found by: their texts do not say which row is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from keyfob.store.contract.transaction import Transaction


class ForeignTable(Protocol):
    """The part of a store that finds foreign keys. Every method may raise StoreUnavailable."""

    async def find_id(self, lookups: Sequence[str]) -> str | None:
        """The id of the key that one of *lookups* finds, the longest first."""
        ...

    async def ids(self, lookups: Collection[str]) -> dict[str, str]:
        """The id of the key that each of *lookups* finds, where there is one."""
        ...

    async def known(self, rows: Transaction, lookups: Collection[str]) -> set[str]:
        """Those of *lookups* that find a key."""
        ...

    async def add(self, rows: Transaction, lookup: str, key_id: str) -> None:
        """Let *lookup* find the key."""
        ...
