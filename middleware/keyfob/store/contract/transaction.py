"""The operations of a change inside its transaction, on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from keyfob.audit import Event
    from keyfob.keyring.keyring import SigningKey
    from keyfob.keyring.states import SigningKeyRecord
    from keyfob.keys.record import KeyRecord, StoredSecret, Team
    from keyfob.people.record import Person, Source
    from keyfob.store.contract.console import SignInLink
    from keyfob.store.contract.idempotency import IdempotencyRecord


class Transaction(Protocol):
    """One change: every statement runs under the single writer, and is rolled back if the work raises."""

    async def next_revision(self) -> int:
        """The revision of this change; the same for every call in one transaction."""
        ...

    async def team(self, team_id: str) -> Team | None:
        """Read a team."""
        ...

    async def put_team(self, team: Team) -> None:
        """Insert or update the team."""
        ...

    async def team_is_taken(self, team_id: str) -> bool:
        """Whether there is a team with this id, or was one."""
        ...

    async def team_holds(self, team_id: str) -> tuple[int, int]:
        """How many keys the team has that are not deleted, and how many people have a role in it."""
        ...

    async def delete_team(self, team_id: str, at: datetime) -> None:
        """Leave the team's tombstone alone."""
        ...

    async def stamp_team_keys(self, team_id: str) -> None:
        """Give every key of the team this change's revision, tombstones excepted."""
        ...

    async def key(self, key_id: str) -> KeyRecord | None:
        """Read a key, or its tombstone."""
        ...

    async def live_keys(self, team_id: str, key_type: str) -> list[KeyRecord]:
        """The team's keys of one type that are not deleted."""
        ...

    async def count_live_keys(self, team_id: str, key_type: str) -> int:
        """How many of the team's keys of one type are neither deleted nor replaced."""
        ...

    async def root_keys(self) -> list[KeyRecord]:
        """All admin keys that hold ``*`` and are not deleted, whatever their state."""
        ...

    async def add_key(self, record: KeyRecord, secret: StoredSecret | None) -> None:
        """Insert a new key, stamped with this change's revision; without *secret* nobody can present it yet."""
        ...

    async def add_secret(self, key_id: str, secret: StoredSecret) -> None:
        """Store the secret of a key that has none."""
        ...

    async def add_keys(self, keys: Sequence[tuple[KeyRecord, StoredSecret]], revision: int) -> None:
        """Insert many new keys with a *revision* that is already in force, so that no poll reads them."""
        ...

    async def put_key(self, record: KeyRecord) -> None:
        """Change a key's row, stamped with this change's revision."""
        ...

    async def erase_key(self, key_id: str, at: datetime) -> None:
        """Leave a tombstone, and delete the key's secrets, usage and drafts."""
        ...

    async def signing_keys(self) -> list[SigningKeyRecord]:
        """Read the states of the signing keys, oldest first."""
        ...

    async def put_signing_key(self, mark: SigningKeyRecord, *, seal_with: SigningKey | None = None) -> None:
        """Insert or update a state, and seal the table with *seal_with* (default: the key that MACs the audit log)."""
        ...

    async def idempotency_record(self, scope: str) -> IdempotencyRecord | None:
        """Read an idempotency record."""
        ...

    async def save_idempotency_record(self, scope: str, what: IdempotencyRecord) -> None:
        """Save an idempotency record; delete those older than 24 hours."""
        ...

    async def person(self, person_id: str) -> Person | None:
        """Read a person with its memberships."""
        ...

    async def person_of_subject(self, source: Source, subject: str) -> Person | None:
        """Read the person whom *source* knows by *subject*."""
        ...

    async def people_of_email(self, email: str) -> list[Person]:
        """Everybody with this e-mail address, in any case of letters, oldest first."""
        ...

    async def owners(self) -> list[Person]:
        """The active people with the role ``owner``; an application's users, team admins at most, are none."""
        ...

    async def put_person(self, person: Person) -> None:
        """Insert or change a person with all its memberships, sealed anew."""
        ...

    async def reseal_people(self, retiring: SigningKey, entry: SigningKey) -> None:
        """Seal with *entry* what *retiring* sealed. What it did not seal stays as it is."""
        ...

    async def keys_of_person(self, person_id: str) -> list[KeyRecord]:
        """The keys that a person owns, in every team, those that are deleted left out."""
        ...

    async def add_link(self, link: SignInLink) -> None:
        """Save a link. Deletes expired links."""
        ...

    async def use_link(self, link_hash: bytes, at: datetime) -> bool:
        """Mark a link as used. False if it was already used, has expired, or does not exist."""
        ...

    async def void_links(self, person_id: str) -> None:
        """Delete all links of a person."""
        ...

    async def end_sessions(self, person_id: str) -> int:
        """End all sessions of a person, and return how many there were."""
        ...

    async def append(self, event: Event) -> None:
        """Append to the audit log, chained to the event before."""
        ...
