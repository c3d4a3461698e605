"""The refused requests, on any engine: all use the same statement names and values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from keyfob.store.contract.refusals import KEPT, MOST, RefusedRequest
from keyfob.store.sql import rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class Database(Protocol):
    """The part of the store that this needs. Both methods raise StoreUnavailable."""

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Sequence[Any]]:
        """Run one read-only statement."""
        ...

    async def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Run one small statement in its own transaction; it changes no key."""
        ...


class RefusalRows:
    """A `keyfob.store.contract.refusals.RefusalTable` over *statements*, by name."""

    def __init__(self, database: Database, statements: Mapping[str, str]) -> None:
        self._database = database
        self._statements = statements

    async def add(self, refused: Sequence[RefusedRequest]) -> None:
        """Write *refused* in one statement, and forget what nobody can ask for any more in another."""
        if not refused:
            return
        await self._database.note(self._statements["add_refusals"], (json.dumps([_values(one) for one in refused]),))
        oldest = rows.micros(refused[-1].at - KEPT)
        await self._database.note(self._statements["forget_refusals"], (oldest, MOST))

    async def find(self, request_id: str, *, since: datetime) -> RefusedRequest | None:
        """The refused request with this id, unless it is older than *since*."""
        values = (request_id, rows.micros(since))
        found = await self._database.read(self._statements["refusal"], values)
        with rows.decoding():
            return _refused(found[0]) if found else None


def _values(refused: RefusedRequest) -> tuple[object, ...]:
    demands = None if refused.demands is None else json.dumps(refused.demands)
    at = rows.micros(refused.at)
    return refused.request_id, at, refused.key_id, refused.method, refused.path, refused.ip, refused.reason, demands


def _refused(row: Sequence[Any]) -> RefusedRequest:
    request_id, at, key_id, method, path, ip, reason, demands = row
    told = None if demands is None else json.loads(demands)
    return RefusedRequest(request_id, rows.moment(at), key_id, method, path, ip, reason, told)
