"""Reads the rows that affect decisions, with the audit events about them, on any engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from keyfob.store.contract.audited import AuditedKey, AuditedPerson, AuditedTeam
from keyfob.store.sql import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.sql.console_tables import Named

T = TypeVar("T")

_AT_ONCE = 500


class Database(Protocol):
    """The part of the store that this needs."""

    async def change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run *work* in one transaction."""
        ...

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Sequence[Any]]:
        """Run one read-only statement. Raises StoreUnavailable."""
        ...


class AuditedRows:
    """A `keyfob.store.contract.audited.AuditedStore` over *statements*, by name."""

    def __init__(self, database: Database, statements: Mapping[str, str]) -> None:
        self._database = database
        self._statements = statements

    async def keys(self) -> AsyncIterator[AuditedKey]:
        """Every key, tombstones included, with the newest event about it; in bounded memory."""
        after = ""
        while page := await self._database.read(self._statements["audited_keys"], (after, _AT_ONCE)):
            for detail, *row in page:
                yield AuditedKey(rows.record_of(row), _detail(detail))
            after = page[-1][1]

    async def teams(self) -> AsyncIterator[AuditedTeam]:
        """Every team with the newest event about it; in bounded memory."""
        after = ""
        while page := await self._database.read(self._statements["audited_teams"], (after, _AT_ONCE)):
            for detail, *row in page:
                yield AuditedTeam(rows.team_of(row), _detail(detail))
            after = page[-1][1]

    async def people(self) -> AsyncIterator[AuditedPerson]:
        """Every person with the newest event about it; in bounded memory."""
        after = ""
        while page := await self._database.read(self._statements["audited_people"], (after, _AT_ONCE)):
            for detail, *row in page:
                yield AuditedPerson(rows.person_of(row), _detail(detail))
            after = page[-1][1]

    async def missing(self, key_ids: Collection[str]) -> set[str]:
        """The *key_ids* without any row, not even a tombstone."""
        wanted = json.dumps(sorted(key_ids))
        return set(key_ids) - {row[0] for row in await self._database.read(self._statements["known_keys"], (wanted,))}

    async def claim_check(self, at: datetime, *, not_since: datetime) -> bool:
        """Whether the caller should compare the rows now: no process has begun to after *not_since*."""

        async def work(transaction: Transaction) -> bool:
            run = cast("Named", transaction).run
            return bool(await run("claim_audit_check", (rows.micros(at), rows.micros(not_since))))

        return await self._database.change(work)


def _detail(text: str | None) -> Mapping[str, object] | None:
    return None if text is None else json.loads(text)
