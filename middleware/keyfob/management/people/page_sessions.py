"""Links to the Keys page for the users of an application that cannot mount it: its server asks for one and leads there.

The link works once, and only as long as it takes to follow it. What it opens is the page of one team, for one person
whom the application describes, and nothing else of the console.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import Invalid
from keyfob.keyring.tokens import new_token, token_digest
from keyfob.management.actor import confirmed
from keyfob.management.people.app_people import acting_role
from keyfob.management.people.browser_rows import sealed_link
from keyfob.management.people.people_reach import WRITE, check_gives, limited, told_of, visible_team
from keyfob.people.record import Source
from keyfob.policy.return_urls import leads_below
from keyfob.store.contract.console import SignInLink

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey
    from keyfob.management.actor import Actor
    from keyfob.management.authority import RoleAuthority
    from keyfob.management.people.app_people import AppPeople
    from keyfob.people.app_person import AppPerson
    from keyfob.people.record import Person
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

PAGE_LINK_LASTS: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PageLink:
    """A person as they are now, and the token of the one-time link."""

    person: Person
    token: str = field(repr=False)
    expires_at: datetime


class PageSessions:
    """Makes links to the Keys page. Only their hashes are stored."""

    def __init__(
        self,
        store: KeyStore,
        app_people: AppPeople,
        authority: RoleAuthority,
        return_urls: Collection[str],
        *,
        signing: Callable[[], SigningKey],
        now: Callable[[], datetime],
    ) -> None:
        """*return_urls* are the addresses below which a page may lead back."""
        self._store = store
        self._app_people = app_people
        self._authority = authority
        self._return_urls = return_urls
        self._signing = signing
        self._now = now

    async def create(self, given: AppPerson, return_url: str, *, actor: Actor) -> PageLink:
        """Make a link for the person that *given* describes, who is made or changed where they are not so yet.

        The team must be there. What the person may do on the page lies within what *actor* may hand on, even where a
        person gave the role.

        Raises:
            Forbidden, NotFound, Invalid, ExceedsOwnPermissions, ExceedsOwnLimits, LastAdmin, PersonLeft, Tampered
        """
        actor.demand(WRITE)
        await visible_team(self._store.team, given.team, actor)
        wanted = self._app_people.wanted(given)
        self._check_address(return_url)

        async def work(rows: Transaction) -> PageLink:
            at = self._now()
            doer = await confirmed(actor, rows, WRITE, at=at)
            await visible_team(rows.team, given.team, doer)
            before = await rows.person_of_subject(Source.APP, wanted.subject)
            for known in (wanted, before):
                self._check_role(doer, known, given.team)
            person = await self._app_people.put(rows, wanted, doer, at)
            await rows.append(told_of(doer, "page_session.created", at, person, team=given.team))
            return await self._link(rows, person, return_url, doer, at)

        return await self._store.change(work)

    def _check_address(self, return_url: str) -> None:
        if not self._return_urls:
            raise Invalid(("/return_url", "[page] return_urls of the configuration names no address to lead back to"))
        if not leads_below(return_url, self._return_urls):
            raise Invalid(("/return_url", "This is no address below one of [page] return_urls"))

    def _check_role(self, doer: Actor, person: Person | None, team: str) -> None:
        """Refuse to open, or to change, what is beyond *doer*. Raises ExceedsOwnPermissions and ExceedsOwnLimits."""
        role = None if person is None else person.role_in(team)
        if role is not None:
            check_gives(doer, self._authority.roles.get(acting_role(role)), self._authority)

    async def _link(self, rows: Transaction, person: Person, return_url: str, doer: Actor, at: datetime) -> PageLink:
        entry = self._signing()
        token = new_token(entry)
        link = SignInLink(
            token_digest(entry, "link", token),
            None,
            at,
            at + PAGE_LINK_LASTS,
            person_id=person.id,
            return_url=return_url,
        )
        await rows.add_link(sealed_link(entry, link))
        return PageLink(limited(person, doer), token, link.expires_at)
