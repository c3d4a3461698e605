"""The contract of the comparison with the audit log: rows that decide something, with the newest event about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from datetime import datetime

    from keyfob.keys.record import KeyRecord, Team
    from keyfob.people.record import Person


@dataclass(frozen=True, slots=True)
class AuditedKey:
    """A key's row and the detail of the newest audit event about it; None if there is none."""

    record: KeyRecord
    detail: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class AuditedTeam:
    """A team's row and the detail of the newest audit event about it; None if there is none."""

    team: Team
    detail: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class AuditedPerson:
    """A person's row and the detail of the newest audit event about it; None if there is none."""

    person: Person
    detail: Mapping[str, object] | None


class AuditedStore(Protocol):
    """The part of a store that the comparison with the audit log needs. Every method may raise StoreUnavailable."""

    def keys(self) -> AsyncIterator[AuditedKey]:
        """Every key, tombstones included, in bounded memory."""
        ...

    def teams(self) -> AsyncIterator[AuditedTeam]:
        """Every team, in bounded memory."""
        ...

    def people(self) -> AsyncIterator[AuditedPerson]:
        """Every person, in bounded memory."""
        ...

    async def missing(self, key_ids: Collection[str]) -> set[str]:
        """The *key_ids* without any row, not even a tombstone."""
        ...

    async def claim_check(self, at: datetime, *, not_since: datetime) -> bool:
        """Whether the caller should compare the rows now: no process has begun to after *not_since*."""
        ...
