"""What becomes of a person's keys and sessions when a membership ends or is lowered, or the person leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from keyfob.errors import LastOwner
from keyfob.management.escalation import require_root_key
from keyfob.management.key_changes import put_changed
from keyfob.policy.key_types import ADMIN
from keyfob.policy.permissions import missing
from keyfob.policy.roles import OWNER

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.management.authority import RoleAuthority
    from keyfob.people.record import Person
    from keyfob.store.contract.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Ended:
    """A key that was disabled because of who owns it."""

    before: KeyRecord
    after: KeyRecord


async def carry_out(
    rows: Transaction,
    person: Person,
    left: Collection[str],
    authority: RoleAuthority,
    actor: Actor,
    *,
    at: datetime,
    reason: str | None = None,
) -> list[Ended]:
    """Disable what *person*, as it is now, may not keep.

    That is admin keys beyond its role, and in the teams that it *left* the keys of types that end with their owner.

    Raises:
        LastAdmin: no root key would remain.
    """
    ended = []
    for key in await rows.keys_of_person(person.id):
        if key.is_disabled or not _ends(key, person, left, authority):
            continue
        after = replace(key, disabled_at=at)
        await put_changed(rows, key, after, actor, at=at, reason=reason)
        ended.append(Ended(key, after))
    await require_root_key(rows, *(one.before for one in ended), at=at)
    return ended


def ends_by_role(key: KeyRecord, person: Person, authority: RoleAuthority) -> bool:
    """Whether `carry_out` would disable *key*, which *person* owns, once their roles are as given."""
    return not key.is_disabled and _ends(key, person, (), authority)


def _ends(key: KeyRecord, person: Person, left: Collection[str], authority: RoleAuthority) -> bool:
    if key.key_type != ADMIN:
        known = authority.catalogue.key_types.get(key.key_type)
        return key.team in left and known is not None and known.ends_with_owner
    role = None if person.has_left else authority.role(person, key.team)
    if role is None or role.own_keys_only:  # a role that makes no admin keys keeps none
        return True
    return bool(missing(frozenset(role.permissions) | authority.handed_on(role), key.permissions))


async def require_owner(rows: Transaction, before: Person, authority: RoleAuthority) -> None:
    """Refuse a change that ends the last active owner; *before* is the person as it was.

    Raises:
        LastOwner: no active owner is left.
    """
    if _is_owner(before, authority) and not any(_is_owner(one, authority) for one in await rows.owners()):
        raise LastOwner("this is the last owner; make somebody else an owner first")


def _is_owner(person: Person, authority: RoleAuthority) -> bool:
    """Whether *person* can sign in as an owner. An application's user acts as a team admin at most."""
    return (
        person.is_active
        and person.source in authority.sign_in
        and any(one.role == OWNER for one in person.memberships)
        and authority.is_genuine(person)
    )
