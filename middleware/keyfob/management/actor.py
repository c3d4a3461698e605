"""Who asks for a change: an admin key, somebody at the command line, or Keyfob itself."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from keyfob.audit import Event
from keyfob.errors import Forbidden, Invalid
from keyfob.keys.record import Creator
from keyfob.policy.permissions import covers

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keys.record import KeyRecord

_LINE_BREAKING = frozenset({"Cc", "Zl", "Zp"})  # Unicode categories: controls, line and paragraph separators


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. All but *kind*, *name* and *ip* come from the actor's key; the command line may do everything.

    *expires_at* and *ip_allow* bound what the actor may hand on (`keyfob.management.escalation`).
    """

    kind: str  # "key", "cli" or "system"
    id: str | None
    name: str
    team: str | None
    permissions: frozenset[str]
    ip: str | None = None
    expires_at: datetime | None = None
    ip_allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise Invalid for a name that could forge a line of a log."""
        if any(unicodedata.category(character) in _LINE_BREAKING for character in self.name):
            raise Invalid(("/actor", "The name of who acts can't contain control characters"))

    @classmethod
    def command_line(cls, name: str) -> Actor:
        """Somebody who can read the database and the keyring anyway; *name* is the account's."""
        return cls("cli", None, name, None, frozenset({"*"}))

    @classmethod
    def system(cls) -> Actor:
        """Keyfob itself."""
        return cls("system", None, "keyfob", None, frozenset({"*"}))

    @classmethod
    def of_key(cls, record: KeyRecord, ip: str | None = None) -> Actor:
        """The holder of the admin key *record*, at the address *ip*."""
        return cls("key", record.id, record.name, record.team, frozenset(), ip).as_now(record)

    def as_now(self, record: KeyRecord) -> Actor:
        """This actor with what its key *record* holds now."""
        return replace(
            self,
            permissions=frozenset(record.permissions),
            expires_at=record.expires_at,
            ip_allow=record.ip_allow,
        )

    @property
    def acts_everywhere(self) -> bool:
        """Whether every team is open to this actor, and not only its own."""
        return covers(self.permissions, "teams:write")

    def may_see(self, team_id: str) -> bool:
        """Whether this actor can see the team; otherwise it is reported as not found."""
        if not (team_id.isascii() and team_id.isprintable()):  # no team has such an id; a store may refuse it
            return False
        return team_id == self.team or self.acts_everywhere

    def demand(self, *needed: str) -> None:
        """Raise `Forbidden` for the first of *needed* that the actor does not hold."""
        for permission in needed:
            if not covers(self.permissions, permission):
                raise Forbidden(permission)

    def as_creator(self) -> Creator:
        """The actor as `created_by` of the keys that it makes."""
        return Creator(self.kind, self.id, self.name)

    def did(
        self, action: str, at: datetime, *, team: str | None = None, key_id: str | None = None, **detail: object
    ) -> Event:
        """Describe what this actor did as an audit event. *detail* never holds a secret."""
        return Event(at, self.kind, self.id, self.name, self.ip, action, team, key_id, detail)


class KeyRows(Protocol):
    """All that `confirmed` asks of a transaction."""

    async def key(self, key_id: str) -> KeyRecord | None:
        """Read one key."""
        ...


async def confirmed(actor: Actor, rows: KeyRows, *needed: str, at: datetime) -> Actor:
    """Judge *actor* once more inside the transaction, by its key as it is now.

    Between admission and commit the body is read and perhaps an Argon2id hash computed. A key that was disabled or
    narrowed meanwhile changes nothing any more.

    Raises:
        Forbidden: the actor does not hold one of *needed*, or not any more.
    """
    if actor.kind == "key" and actor.id is not None:
        record = await rows.key(actor.id)
        revoked = (
            record is None or record.is_deleted or record.is_disabled or record.is_pending or record.is_expired(at)
        )
        actor = replace(actor, permissions=frozenset()) if record is None or revoked else actor.as_now(record)
    actor.demand(*needed)
    return actor
