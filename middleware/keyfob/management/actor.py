"""Who asks for a change: a person, an admin key, somebody at the command line, or Keyfob itself."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from keyfob.audit import Event
from keyfob.errors import Forbidden, Invalid
from keyfob.keys.record import Creator
from keyfob.policy.key_types import ADMIN
from keyfob.policy.permissions import covers

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.people.record import Person

_LINE_BREAKING = frozenset({"Cc", "Zl", "Zp"})  # Unicode categories: controls, line and paragraph separators


class Authority(Protocol):
    """Says what a person may do, from what is stored of the person now."""

    def actor(self, person: Person | None, team: str | None, ip: str | None) -> Actor | None:
        """*person* as it acts in *team*; None if it may not act at all."""
        ...


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. What it may do comes from the actor's key, or role in *team*; the command line may do everything.

    *expires_at* and *ip_allow* bound what the actor may hand on (`keyfob.management.escalation`). *hands_on* extends
    it by what the actor does not hold. *authority* says again, inside a transaction, what a person may do.
    """

    kind: str  # "person", "key", "cli" or "system"
    id: str | None
    name: str
    team: str | None
    permissions: frozenset[str]
    ip: str | None = None
    expires_at: datetime | None = None
    ip_allow: tuple[str, ...] = ()
    email: str | None = None  # of a person
    own_keys_only: bool = False  # sees and changes only keys that it owns
    hands_on: frozenset[str] = frozenset()
    is_confined: bool = False  # to its team, and away from admin keys, as on an application's own Keys page
    authority: Authority | None = field(default=None, repr=False, compare=False)

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
        return not self.is_confined and covers(self.permissions, "teams:write")

    def may_see(self, team_id: str) -> bool:
        """Whether this actor can see the team; otherwise it is reported as not found."""
        if not (team_id.isascii() and team_id.isprintable()):  # no team has such an id; a store may refuse it
            return False
        return team_id == self.team or self.acts_everywhere

    def may_see_key(self, record: KeyRecord) -> bool:
        """Whether this actor can see the key; otherwise it is reported as not found."""
        if self.is_confined and record.key_type == ADMIN:
            return False
        return self.may_see(record.team) and (not self.own_keys_only or record.owner_id == self.id)

    @property
    def makes_admin_keys(self) -> bool:
        """Whether admin keys are among what this actor may make, as far as its permissions go."""
        return not (self.own_keys_only or self.is_confined)

    @property
    def unseen_type(self) -> str | None:
        """The type of the keys that are left out of everything that this actor is shown."""
        return ADMIN if self.is_confined else None

    @property
    def owner_of_new_keys(self) -> str | None:
        """The id of the person who owns the keys that this actor makes; None: their team does."""
        return self.id if self.kind == "person" else None

    @property
    def grants(self) -> frozenset[str]:
        """Everything that this actor may hand on."""
        return self.permissions | self.hands_on

    def demand(self, *needed: str) -> None:
        """Raise `Forbidden` for the first of *needed* that the actor does not hold."""
        for permission in needed:
            if not covers(self.permissions, permission):
                raise Forbidden(permission)

    def as_creator(self) -> Creator:
        """The actor as `created_by` of the keys that it makes."""
        return Creator(self.kind, self.id, self.name, self.email)

    def did(
        self,
        action: str,
        at: datetime,
        *,
        team: str | None = None,
        key_id: str | None = None,
        **detail: object,
    ) -> Event:
        """Describe what this actor did as an audit event. *detail* never holds a secret."""
        if self.email is not None:
            detail["actor_email"] = self.email
        return Event(at, self.kind, self.id, self.name, self.ip, action, team, key_id, detail)


def creator_of(event: Event) -> Creator:
    """Who did what *event* says."""
    email = event.detail.get("actor_email")
    return Creator(event.actor_kind, event.actor_id, event.actor_name, email if isinstance(email, str) else None)


class ActorRows(Protocol):
    """All that `confirmed` asks of a transaction."""

    async def key(self, key_id: str) -> KeyRecord | None:
        """Read one key."""
        ...

    async def person(self, person_id: str) -> Person | None:
        """Read one person."""
        ...


async def confirmed(actor: Actor, rows: ActorRows, *needed: str, at: datetime) -> Actor:
    """Judge *actor* once more inside the transaction, by its key, or its person and role, as they are now.

    Between admission and commit the body is read and perhaps an Argon2id hash computed. A key that was disabled or
    narrowed meanwhile, or a person who was removed, changes nothing any more.

    Raises:
        Forbidden: the actor does not hold one of *needed*, or not any more.
    """
    if actor.kind == "key" and actor.id is not None:
        record = await rows.key(actor.id)
        revoked = (
            record is None or record.is_deleted or record.is_disabled or record.is_pending or record.is_expired(at)
        )
        actor = replace(actor, permissions=frozenset()) if record is None or revoked else actor.as_now(record)
    elif actor.kind == "person":
        person = await rows.person(actor.id or "")
        now = actor.authority.actor(person, actor.team, actor.ip) if actor.authority is not None else None
        actor = replace(actor, permissions=frozenset(), hands_on=frozenset()) if now is None else now
    actor.demand(*needed)
    return actor
