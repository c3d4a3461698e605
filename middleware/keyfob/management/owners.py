"""Who owns a key: a person, or its team."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.errors import Invalid, OwnKeysOnly
from keyfob.policy.key_types import ADMIN
from keyfob.policy.permissions import missing

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.management.authority import RoleAuthority
    from keyfob.store.contract.transaction import Transaction


async def check_new_owner(
    rows: Transaction,
    key: KeyRecord,
    owner: str | None,
    authority: RoleAuthority,
    actor: Actor,
    *,
    pointer: str = "/owner",
) -> str | None:
    """Check that *owner* can own *key*: None, for the team, or somebody with a role there. Returns the name.

    Raises:
        OwnKeysOnly: *actor* changes no owner.
        Invalid: there is no such person in the team, or *key* is an admin key beyond that person's role.
    """
    if actor.own_keys_only:
        raise OwnKeysOnly("your role changes no owner")
    if owner is None:
        return None
    person = await rows.person(owner)
    role = None if person is None or person.has_left else authority.role(person, key.team)
    if person is None or role is None:
        raise Invalid((pointer, "There is nobody with this id in the key's team"))
    if key.key_type == ADMIN:
        held = frozenset(role.permissions) | authority.handed_on(role)
        if role.own_keys_only or missing(held, key.permissions):
            raise Invalid((pointer, "This admin key can do more than the role of that person"))
    return person.name


async def with_new_owner(
    rows: Transaction, before: KeyRecord, after: KeyRecord, authority: RoleAuthority | None, actor: Actor
) -> KeyRecord:
    """*after* with the name of its owner, if that is another one than before. Raises like `check_new_owner`."""
    if after.owner_id == before.owner_id:
        return after
    if authority is None:
        raise Invalid(("/owner", "There are no people here"))
    return replace(after, owner_name=await check_new_owner(rows, before, after.owner_id, authority, actor))
