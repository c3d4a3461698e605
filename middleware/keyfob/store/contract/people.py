"""The store's contract for people: who they are, and how many keys they own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from keyfob.people.record import Person, Source
    from keyfob.store.contract.console import Session


@dataclass(frozen=True, slots=True)
class PeopleQuery:
    """Which people to list, by name. *after* is (name, id) of the last one already seen."""

    team: str | None = None
    role: str | None = None  # in *team*
    state: str | None = None
    q: str | None = None  # matched literally in name and e-mail, in any case, or the whole id
    limit: int = 50
    after: tuple[str, str] | None = None


class PeopleTable(Protocol):
    """Reads people. Every method may raise StoreUnavailable."""

    async def one(self, person_id: str) -> Person | None:
        """Read a person with its memberships."""
        ...

    async def of_subject(self, source: Source, subject: str) -> Person | None:
        """Read the person whom *source* knows by *subject*."""
        ...

    async def of_email(self, email: str) -> list[Person]:
        """Everybody with this e-mail address, in any case of letters, oldest first."""
        ...

    async def owners(self) -> list[Person]:
        """The active people with the role ``owner``."""
        ...

    async def many(self, query: PeopleQuery) -> list[Person]:
        """List people by name."""
        ...

    async def keys_owned(self, team: str, person_ids: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """How many of the team's keys each owns, and how many are admin keys; those without any are left out."""
        ...

    async def sessions(self, person_id: str) -> list[Session]:
        """The person's sessions, expired or not, oldest first."""
        ...

    async def note_sign_in(self, person_id: str, at: datetime) -> None:
        """Record that the person signed in."""
        ...
