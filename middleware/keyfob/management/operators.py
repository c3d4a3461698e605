"""The users of an application learn nothing of who runs the installation: to them, it is an administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob.keys.record import Creator
from keyfob.people.record import Source

if TYPE_CHECKING:
    from keyfob.management.actor import Actor
    from keyfob.store.contract.people import PeopleTable

ADMINISTRATOR: Final = "An administrator"  # in place of an operator's name


async def as_known_to(actor: Actor, creator: Creator, people: PeopleTable) -> Creator:
    """*creator* as *actor* may know them."""
    if not actor.is_confined or creator.kind == "system":
        return creator
    person = await people.one(creator.id or "") if creator.kind == "person" else None
    is_user = person is not None and person.source is Source.APP
    return creator if is_user else Creator(creator.kind, None, ADMINISTRATOR)
