"""The tables of people, on any engine: both use the same statement names and values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from keyfob.people.record import folded_email
from keyfob.store.sql import rows
from keyfob.store.sql.console_tables import session_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from keyfob.people.record import Person, Source
    from keyfob.store.contract.console import Session
    from keyfob.store.contract.people import PeopleQuery


class Database(Protocol):
    """The part of the store that this needs."""

    async def read(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Sequence[Any]]:
        """Run one read-only statement. Raises StoreUnavailable."""
        ...

    async def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Run one small statement in its own transaction."""
        ...


class PeopleRows:
    """A `keyfob.store.contract.people.PeopleTable` over *statements*, by name."""

    def __init__(self, database: Database, statements: Mapping[str, str]) -> None:
        self._database = database
        self._statements = statements

    async def one(self, person_id: str) -> Person | None:
        """Read a person with its memberships."""
        found = await self._people("person", (person_id,))
        return found[0] if found else None

    async def of_subject(self, source: Source, subject: str) -> Person | None:
        """Read the person whom *source* knows by *subject*."""
        found = await self._people("person_of_subject", (source.value, subject))
        return found[0] if found else None

    async def of_email(self, email: str) -> list[Person]:
        """Everybody with this e-mail address, in any case of letters, oldest first."""
        return await self._people("people_of_email", (folded_email(email),))

    async def owners(self) -> list[Person]:
        """The active people with the role ``owner``."""
        return await self._people("owners", ())

    async def many(self, query: PeopleQuery) -> list[Person]:
        """List people by name."""
        name, after_id = query.after or (None, None)
        wanted = {
            "team": query.team,
            "role": query.role,
            "state": query.state,
            "q": None if query.q is None else rows.folded(query.q),
            "id": query.q or "",
            "after_name": None if name is None else rows.folded(name),
            "after_id": after_id,
            "limit": query.limit,
        }
        return await self._people("people", wanted)

    async def keys_owned(self, team: str, person_ids: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """How many of the team's keys each owns, and how many are admin keys; those without any are left out."""
        found = await self._database.read(self._statements["counts_of_owners"], (team, json.dumps(list(person_ids))))
        return {row[0]: (row[1], row[2]) for row in found}

    async def sessions(self, person_id: str) -> list[Session]:
        """The person's sessions, expired or not, oldest first."""
        found = await self._database.read(self._statements["sessions_of"], (None, person_id))
        return [session_of(row) for row in found]

    async def note_sign_in(self, person_id: str, at: datetime) -> None:
        """Record that the person signed in."""
        await self._database.note(self._statements["note_sign_in"], (rows.micros(at), person_id))

    async def _people(self, name: str, parameters: Sequence[object] | Mapping[str, object]) -> list[Person]:
        found = await self._database.read(self._statements[name], parameters)
        with rows.decoding():
            return [rows.person_of(row) for row in found]
