"""Sessions of the Keys page for the users of an application, which begin with the link that the application asked for.

Such a session is for that page alone: the console knows nothing of it, and no other link begins one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.keyring.tokens import new_token, token_digest
from keyfob.management.people.app_people import PageAuthority
from keyfob.management.people.browser_rows import sealed_session
from keyfob.people.record import Source
from keyfob.store.contract.console import Session
from keyfob_admin.sessions import SignedIn, console_of

if TYPE_CHECKING:
    from keyfob.keyring.keyring import SigningKey
    from keyfob.people.record import Person
    from keyfob.runtime.runtime import Runtime
    from keyfob.store.contract.console import SignInLink
    from keyfob_admin.sessions import SignIn

LONGEST: Final = timedelta(hours=1)  # the application makes the next one with a click


class PageSignIn:
    """Opens and ends sessions of the page."""

    def __init__(self, runtime: Runtime, sessions: SignIn) -> None:
        """*sessions* finds links and sessions."""
        self._runtime = runtime
        self._sessions = sessions
        self._console = console_of(runtime.store)
        self._lasts = min(LONGEST, timedelta(hours=runtime.settings.admin.session_hours))

    async def link(self, token: str) -> SignInLink | None:
        """Find the link of *token*, if it can still be used, and its person may still see the page."""
        found = await self._sessions.genuine_link(token)
        if found is None or found.return_url is None:
            return None
        return None if await self._person(found.person_id) is None else found

    async def open(self, token: str, ip: str | None) -> str | None:
        """Use the link up: return the new session's token, or None if the link is no longer valid."""
        found = await self.link(token)
        if found is None or not await self._console.use_link(found.hash, self._runtime.now()):
            return None
        person = await self._person(found.person_id)
        return None if person is None else await self._begin(person, found.return_url, ip)

    async def who(self, token: str, ip: str | None) -> SignedIn | None:
        """Find the session of *token*, unless it or its person's membership has ended; then it is removed."""
        found = await self._sessions.genuine_session(token)
        if found is None or found[0].return_url is None:
            return None
        session, entry = found
        person = await self._person(session.person_id)
        if person is None or session.expires_at <= self._runtime.now():
            await self._console.end_session(session.id_hash)
            return None
        return self._signed_in(session, token, entry, person, ip)

    async def sign_out(self, who: SignedIn) -> None:
        """End the session, and record it in the audit log."""
        event = who.actor.did("console.signed_out", self._runtime.now(), team=who.team, by="page_session")
        await self._console.end_session(who.session.id_hash, event)

    async def _begin(self, person: Person, return_url: str | None, ip: str | None) -> str | None:
        """Begin a session, and record it in the audit log. Returns None if the person has left meanwhile."""
        entry, now = self._runtime.keyring.signing(), self._runtime.now()
        token = new_token(entry)
        digest, ends = token_digest(entry, "session", token), now + self._lasts
        session = Session(digest, None, b"", ip, now, ends, person.id, return_url=return_url)
        who = self._signed_in(session, token, entry, person, ip)
        event = who.actor.did("console.signed_in", now, team=who.team, by="page_session")
        if not await self._console.add_session(sealed_session(entry, session), event):
            return None
        await self._runtime.store.people.note_sign_in(person.id, now)
        return token

    async def _person(self, person_id: str | None) -> Person | None:
        """Read the person as it is now. None for somebody who may not see the page any more."""
        person = await self._runtime.store.people.one(person_id or "")
        if person is None or person.source is not Source.APP:
            return None
        team = team_of(person)
        return None if PageAuthority(self._runtime.authority, team).actor(person, team, None) is None else person

    def _signed_in(self, session: Session, token: str, entry: SigningKey, person: Person, ip: str | None) -> SignedIn:
        authority = PageAuthority(self._runtime.authority, team_of(person))
        csrf = token_digest(entry, "csrf", token)
        return SignedIn(session=session, ip=ip, csrf=csrf, signing=entry, person=person, authority=authority)


def team_of(person: Person) -> str:
    """The team as whose member the application knows *person*, who is known by (team, id)."""
    return person.subject.partition("/")[0]
