"""The transaction code shared by all engines. Each engine runs its own statements."""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from keyfob.audit import mac
from keyfob.errors import ConfigError
from keyfob.keyring import person_seal
from keyfob.keyring.states import sealed
from keyfob.people.record import folded_email
from keyfob.store.contract.notices import KEPT
from keyfob.store.sql import rows
from keyfob.store.sql.notice_table import notice_of, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from keyfob.audit import Event
    from keyfob.keyring.keyring import SigningKey
    from keyfob.keyring.states import SigningKeyRecord
    from keyfob.keys.record import KeyRecord, StoredSecret, Team
    from keyfob.people.record import Person, Source
    from keyfob.store.contract.console import SignInLink
    from keyfob.store.contract.idempotency import IdempotencyRecord

_IDEMPOTENCY_LASTS = timedelta(hours=24)


class StatementTransaction(ABC):
    """Verbs of `keyfob.store.contract.transaction`, written in statements that each engine has under the same names."""

    traces: ClassVar[tuple[str, ...]]  # the statements that erase everything of a key except its row

    def __init__(self, audit_key: Callable[[], SigningKey] | None) -> None:
        self._audit_key = audit_key
        self.revision: int | None = None
        self.adds_keys = False

    @abstractmethod
    async def run(
        self, name: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[Sequence[rows.Row]]:
        """Run the statement *name* of the engine and return all its rows."""

    @abstractmethod
    async def next_revision(self) -> int:
        """The revision of this change; the same for every call."""

    async def team(self, team_id: str) -> Team | None:
        """Read a team."""
        found = await self.run("team", (team_id,))
        return rows.team_of(found[0]) if found else None

    async def put_team(self, team: Team) -> None:
        """Insert or update the team."""
        await self.next_revision()
        await self.run("put_team", rows.values_of_team(team))

    async def key(self, key_id: str) -> KeyRecord | None:
        """Read a key, or its tombstone."""
        found = await self.run("key", (key_id,))
        return rows.record_of(found[0]) if found else None

    async def team_is_taken(self, team_id: str) -> bool:
        """Whether there is a team with this id, or was one."""
        ((count,),) = await self.run("team_is_taken", (team_id,))
        return bool(count)

    async def team_holds(self, team_id: str) -> tuple[int, int]:
        """How many keys the team has that are not deleted, and how many people have a role in it."""
        ((keys, people),) = await self.run("team_holds", {"team": team_id})
        return int(str(keys)), int(str(people))

    async def delete_team(self, team_id: str, at: datetime) -> None:
        """Leave the team's tombstone alone."""
        await self.next_revision()
        await self.run("delete_team", (rows.micros(at), team_id))

    async def live_keys(self, team_id: str, key_type: str) -> list[KeyRecord]:
        """The team's keys of one type that are not deleted, oldest first."""
        return [rows.record_of(row) for row in await self.run("live_keys", (team_id, key_type))]

    async def count_live_keys(self, team_id: str, key_type: str) -> int:
        """How many of the team's keys of one type are neither deleted nor replaced."""
        ((count,),) = await self.run("count_live_keys", (team_id, key_type))
        return int(count)

    async def root_keys(self) -> list[KeyRecord]:
        """All admin keys that hold ``*`` and are not deleted, whatever their state."""
        return [rows.record_of(row) for row in await self.run("root_keys")]

    async def add_key(self, record: KeyRecord, secret: StoredSecret | None) -> None:
        """Insert a new key, stamped with this change's revision."""
        self.adds_keys = True
        await self.run("add_key", rows.values_of(record, await self.next_revision()))
        if secret is not None:
            await self.add_secret(record.id, secret)
        await self.run("add_usage_row", rows.usage_row_of(record))

    async def add_secret(self, key_id: str, secret: StoredSecret) -> None:
        """Store the secret of a key that has none."""
        self.adds_keys = True
        await self.run("add_secret", (key_id, secret.hash, secret.digest))

    async def put_key(self, record: KeyRecord) -> None:
        """Change a key's row, stamped with this change's revision. Disabling it deletes its sessions."""
        if record.is_disabled:
            await self.run("erase_sessions", (record.id,))
            await self.run("erase_links", (record.id,))
        await self.run("put_key", rows.values_of(record, await self.next_revision()))

    async def erase_key(self, key_id: str, at: datetime) -> None:
        """Leave a tombstone, and delete the key's secrets, usage, sessions and drafts."""
        for trace in self.traces:
            await self.run(trace, (key_id,))
        await self.run("leave_tombstone", (rows.micros(at), await self.next_revision(), key_id))

    async def signing_keys(self) -> list[SigningKeyRecord]:
        """The states of the signing keys, oldest first."""
        return [rows.mark_of(row) for row in await self.run("signing_keys")]

    async def put_signing_key(self, mark: SigningKeyRecord, *, seal_with: SigningKey | None = None) -> None:
        """Insert or update a state, and seal the table with *seal_with* (default: the key that MACs the audit log)."""
        await self.next_revision()
        await self.run(
            "put_signing_key", (mark.char, mark.fingerprint, str(mark.state), rows.micros(mark.activated_at))
        )
        entry = seal_with or (self._audit_key() if self._audit_key is not None else None)
        if entry is not None:
            first, *_ = sealed(await self.signing_keys(), entry)
            await self.run("seal_signing_keys", (first.sealed_by, first.seal))

    async def idempotency_record(self, scope: str) -> IdempotencyRecord | None:
        """The record of an Idempotency-Key."""
        found = await self.run("idempotency_record", (scope,))
        return rows.idempotency_record_of(found[0]) if found else None

    async def save_idempotency_record(self, scope: str, what: IdempotencyRecord) -> None:
        """Save an idempotency record; delete those older than 24 hours."""
        await self.run("forget_old", (rows.micros(what.at - _IDEMPOTENCY_LASTS),))
        await self.run("save_idempotency_record", (scope, what.body_digest, what.key_id, rows.micros(what.at)))

    async def person(self, person_id: str) -> Person | None:
        """Read a person with its memberships."""
        found = await self.run("person", (person_id,))
        return rows.person_of(found[0]) if found else None

    async def person_of_subject(self, source: Source, subject: str) -> Person | None:
        """Read the person whom *source* knows by *subject*."""
        found = await self.run("person_of_subject", (source.value, subject))
        return rows.person_of(found[0]) if found else None

    async def people_of_email(self, email: str) -> list[Person]:
        """Everybody with this e-mail address, in any case of letters, oldest first."""
        return [rows.person_of(row) for row in await self.run("people_of_email", (folded_email(email),))]

    async def owners(self) -> list[Person]:
        """The active people with the role ``owner``; an application's users, team admins at most, are none."""
        return [rows.person_of(row) for row in await self.run("owners")]

    async def put_person(self, person: Person) -> None:
        """Insert or change a person with all its memberships, sealed anew. Raises ConfigError without a keyring."""
        if self._audit_key is None:
            raise ConfigError("people need the keyring; set store keyring or KEYFOB_KEYRING")
        await self.run("put_person", rows.values_of_person(person_seal.sealed(person, self._audit_key())))
        await self.run("drop_memberships", (person.id,))
        for one in person.memberships:
            await self.run("add_membership", (person.id, one.team, one.role, one.by.value))

    async def reseal_people(self, retiring: SigningKey, entry: SigningKey) -> None:
        """Seal with *entry* what *retiring* sealed. What it did not seal stays as it is."""
        known = {retiring.char: retiring}
        people = [rows.person_of(row) for row in await self.run("people_sealed_by", (retiring.char,))]
        again = [person_seal.sealed(person, entry) for person in people if person_seal.is_sealed(person, known)]
        await self.run("reseal_people", (json.dumps([[one.id, one.sealed_by, one.seal] for one in again]),))

    async def keys_of_person(self, person_id: str) -> list[KeyRecord]:
        """The keys that a person owns, in every team, those that are deleted left out."""
        return [rows.record_of(row) for row in await self.run("keys_of_person", (person_id,))]

    async def add_link(self, link: SignInLink) -> None:
        """Save a link. Deletes expired links."""
        began = rows.micros(link.created_at)
        await self.run("forget_links", (began,))
        values = (link.hash, link.key_id, began, rows.micros(link.expires_at), link.mac, link.person_id)
        await self.run("add_link", (*values, link.return_url))

    async def use_link(self, link_hash: bytes, at: datetime) -> bool:
        """Mark a link as used. False if it was already used, has expired, or does not exist."""
        return bool(await self.run("use_link", (rows.micros(at), link_hash, rows.micros(at))))

    async def void_links(self, person_id: str) -> None:
        """Delete all links of a person."""
        await self.run("void_links_of_person", (person_id,))

    async def end_sessions(self, person_id: str) -> int:
        """End all sessions of a person, and return how many there were."""
        return len(await self.run("end_sessions_of_person", (person_id,)))

    async def append(self, event: Event) -> None:
        """Append to the audit log, chained to the event before. Raises ConfigError without a keyring."""
        if self._audit_key is None:
            raise ConfigError("the audit log needs the keyring; set store keyring or KEYFOB_KEYRING")
        signing_key = self._audit_key()
        ((count, head),) = await self.run("audit_head")
        seq = count + 1
        link = mac(event, seq, bytes(head), signing_key.audit_key)
        await self.run("append_event", rows.event_values(seq, event, signing_key.char, link))
        await self.run("move_audit_head", (seq, link))
        notice = notice_of(event, seq, f"evt_{secrets.token_hex(12)}")
        await self.run("add_notice", values_of(notice))
        await self.run("forget_notices", (rows.micros(event.at - KEPT),))
