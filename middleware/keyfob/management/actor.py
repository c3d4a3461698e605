"""Who asks for a change: an admin key, somebody at the command line, or Keyfob itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from keyfob.audit import Event
from keyfob.errors import Forbidden
from keyfob.keys.record import Creator
from keyfob.policy.permissions import covers

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keys.record import KeyRecord


@dataclass(frozen=True, slots=True)
class Actor:
    """One who acts. *id*, *team* and *permissions* are the key's; who is at the command line holds everything."""

    kind: str  # "key", "cli" or "system"
    id: str | None
    name: str
    team: str | None
    permissions: frozenset[str]
    ip: str | None = None

    @classmethod
    def command_line(cls, name: str) -> Actor:
        """Somebody who can read the database and the keyring anyway; *name* is the account's."""
        return cls("cli", None, name, None, frozenset({"*"}))

    @classmethod
    def system(cls) -> Actor:
        """Keyfob itself."""
        return cls("system", None, "keyfob", None, frozenset({"*"}))

    @property
    def acts_everywhere(self) -> bool:
        """Whether every team is open to this actor, and not only its own."""
        return covers(self.permissions, "teams:write")

    def may_see(self, team_id: str) -> bool:
        """Whether the team exists as far as this actor is told."""
        if not (team_id.isascii() and team_id.isprintable()):  # no team is called so; a store may choke on it
            return False
        return team_id == self.team or self.acts_everywhere

    def demand(self, *needed: str) -> None:
        """Raise `Forbidden` for the first of *needed* that the actor does not hold."""
        for permission in needed:
            if not covers(self.permissions, permission):
                raise Forbidden(permission)

    def as_creator(self) -> Creator:
        """The actor as the keys that it makes will name it."""
        return Creator(self.kind, self.id, self.name)

    def did(
        self, action: str, at: datetime, *, team: str | None = None, key_id: str | None = None, **detail: object
    ) -> Event:
        """The event that says so. *detail* never holds a secret."""
        return Event(at, self.kind, self.id, self.name, self.ip, action, team, key_id, detail)


class KeyRows(Protocol):
    """All that `confirmed` asks of a transaction."""

    async def key(self, key_id: str) -> KeyRecord | None:
        """Read one key."""
        ...


async def confirmed(actor: Actor, rows: KeyRows, *needed: str, at: datetime) -> Actor:
    """Judge *actor* once more inside the transaction, by its key as it is now.

    Between admission and commit lie a body to read and perhaps an Argon2id hash. A key that was disabled or
    narrowed in that time changes nothing any more.

    Raises:
        Forbidden: the actor does not hold one of *needed*, or not any more.
    """
    if actor.kind == "key" and actor.id is not None:
        record = await rows.key(actor.id)
        revoked = record is None or record.is_deleted or record.is_disabled or record.is_expired(at)
        held = () if record is None or revoked else record.permissions
        actor = replace(actor, permissions=frozenset(held))
    actor.demand(*needed)
    return actor
