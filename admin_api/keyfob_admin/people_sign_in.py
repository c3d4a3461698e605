"""How people begin a session: with a passphrase, or with an invitation."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from keyfob.config.people import LOCAL
from keyfob.people.record import folded_email
from keyfob_admin.sessions import FAILURES, PAUSE, console_of

if TYPE_CHECKING:
    from keyfob.people.record import Person
    from keyfob.runtime.runtime import Runtime
    from keyfob_admin.sessions import SignIn


class PeopleSignIn:
    """Signs people in."""

    def __init__(self, runtime: Runtime, sessions: SignIn) -> None:
        """*sessions* begins the sessions."""
        self._runtime = runtime
        self._sessions = sessions
        self._console = console_of(runtime.store)

    @property
    def takes_passphrases(self) -> bool:
        """Whether the sign-in page asks for an e-mail address and a passphrase."""
        return LOCAL in self._runtime.settings.people.sign_in

    async def with_passphrase(self, email: str, passphrase: str, ip: str | None) -> str | None:
        """Sign in: return the new session's token, or None, which says nothing of whether the address is known.

        Raises:
            Saturated: no thread is free to compute the hash.
        """
        if not self.takes_passphrases:
            return None
        person = await self._runtime.passphrases.check(email, passphrase)
        return None if person is None else await self._begin(person, ip, by="passphrase")

    async def invited(self, token: str) -> Person | None:
        """Find whom the link of *token* lets in; None if it is used, void or expired."""
        link = await self._sessions.person_link(token) if self.takes_passphrases else None
        person = await self._runtime.store.people.one(link.person_id or "") if link else None
        usable = person is not None and not person.has_left and bool(person.memberships)
        return person if usable else None

    async def with_invitation(self, token: str, passphrase: str, ip: str | None) -> str | None:
        """Set the passphrase of whom the link lets in, and sign them in. Raises Invalid, NotFound and Saturated."""
        link = await self._sessions.person_link(token)
        if link is None or not self.takes_passphrases:
            return None
        person = await self._runtime.passphrases.join(link, passphrase, ip)
        return await self._begin(person, ip, by="link")

    async def is_slowed_down(self, email: str) -> bool:
        """Whether too many attempts failed for the address lately, known or not."""
        now = self._runtime.now()
        return await self._console.blocked_until(_bucket(email), now, failures=FAILURES) is not None

    async def failed(self, email: str) -> None:
        """Count a failure for the address, known or not."""
        now = self._runtime.now()
        await self._console.note_failure(_bucket(email), now, until=now + PAUSE, failures=FAILURES)

    async def _begin(self, person: Person, ip: str | None, *, by: str) -> str | None:
        token = await self._sessions.open_for_person(person, ip, by=by)
        if token is not None:
            await self._runtime.store.people.note_sign_in(person.id, self._runtime.now())
            await self._console.forget_failures(_bucket(person.email or ""))
        return token


def _bucket(email: str) -> str:
    """Whose failures are counted together; not the address itself, which anybody may have typed."""
    return "email " + hashlib.sha256(folded_email(email.strip()).encode("utf-8", "surrogatepass")).hexdigest()
