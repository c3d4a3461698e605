"""The one-time links by which people set a passphrase: invitations, and the way back in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import Invalid, PersonLeft
from keyfob.keyring.tokens import new_token, token_digest
from keyfob.management.actor import confirmed
from keyfob.management.audited_state import AFTER, state_of_person
from keyfob.management.people.browser_rows import sealed_link
from keyfob.management.people.people_reach import (
    WRITE,
    check_genuine,
    check_reaches,
    limited,
    told_of,
    visible_person,
)
from keyfob.people.record import Source
from keyfob.store.contract.console import SignInLink
from keyfob.store.contract.key_store import EventQuery

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey
    from keyfob.management.actor import Actor
    from keyfob.management.authority import RoleAuthority
    from keyfob.people.record import Person
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

INVITATION_LASTS: Final = timedelta(hours=72)
SIGN_IN_LINK_LASTS: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A person who was given a role. *token* is for the one-time link; None where the person gets none."""

    person: Person
    token: str | None = field(repr=False)
    expires_at: datetime | None


class PersonLinks:
    """Makes links. Only their hashes are stored."""

    def __init__(
        self,
        store: KeyStore,
        authority: RoleAuthority,
        *,
        signing: Callable[[], SigningKey],
        now: Callable[[], datetime],
    ) -> None:
        """*signing* gives the entry of the keyring under which links are stored."""
        self._store = store
        self._authority = authority
        self._signing = signing
        self._now = now

    async def invitation(
        self, rows: Transaction, person: Person, at: datetime, lasts: timedelta | None, doer: Actor
    ) -> Invitation:
        """Make a link for *person* in place of all older ones; none where *lasts* is None."""
        if lasts is None:
            return Invitation(limited(person, doer), None, None)
        entry = self._signing()
        token = new_token(entry)
        link = SignInLink(token_digest(entry, "link", token), None, at, at + lasts, person_id=person.id)
        await rows.void_links(person.id)
        await rows.add_link(sealed_link(entry, link))
        return Invitation(limited(person, doer), token, link.expires_at)

    async def way_back(self, person_id: str, *, actor: Actor) -> Invitation:
        """Make a link by which a local person sets a new passphrase.

        Raises:
            Forbidden, NotFound, ExceedsOwnPermissions, ExceedsOwnLimits, PersonLeft
            Invalid: the person has no passphrase.
            Tampered: the row is not what Keyfob wrote, nor what the audit log says.
        """
        actor.demand(WRITE)
        await visible_person(self._store.people.one, person_id, actor)
        logged = await self._logged_state(person_id)

        async def work(rows: Transaction) -> Invitation:
            at = self._now()
            doer = await confirmed(actor, rows, WRITE, at=at)
            person = await visible_person(rows.person, person_id, doer)
            check_reaches(doer, person, self._authority)
            if person.has_left:
                raise PersonLeft("this person has left; invite them again")
            if person.source is not Source.LOCAL:
                raise Invalid(("/person", f"This person signs in by {person.source}, and has no passphrase"))
            if doer.kind == "cli" and not self._authority.is_genuine(person) and logged == state_of_person(person):
                person = replace(person, passphrase=None)  # the log says nothing of it
                await rows.put_person(person)
            check_genuine((await rows.person(person_id)) or person, self._authority)
            await rows.append(told_of(doer, "person.link_created", at, person, team=None))
            return await self.invitation(rows, person, at, SIGN_IN_LINK_LASTS, doer)

        return await self._store.change(work)

    async def _logged_state(self, person_id: str) -> object:
        """The person's state by the newest event about them."""
        events = await self._store.events(EventQuery(person=person_id, limit=1))
        return events[0].event.detail.get(AFTER) if events else None
