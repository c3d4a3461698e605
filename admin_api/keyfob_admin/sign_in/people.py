"""How people begin a session: with a passphrase, by a provider or a proxy, or with an invitation."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from keyfob.config.people import HEADER, LOCAL, OIDC
from keyfob.errors import LastAdmin, LastOwner, NotFound, PersonLeft, SignInFailed, Tampered
from keyfob.people.record import PersonState, Source, folded_email
from keyfob_admin.sessions import FAILURES, PAUSE, bucket_of, console_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.errors import KeyfobError
    from keyfob.people.claims import Claims
    from keyfob.people.record import Person
    from keyfob.runtime.runtime import Runtime
    from keyfob_admin.sessions import SignedIn, SignIn
    from keyfob_admin.sign_in.header import HeaderSignIn

log = logging.getLogger("keyfob.console")

REFUSALS: Final = (SignInFailed, PersonLeft, LastAdmin, LastOwner, Tampered)
"""Why somebody whom a provider or a proxy names is not signed in. The page does not say which."""


class PeopleSignIn:
    """Signs people in."""

    def __init__(self, runtime: Runtime, sessions: SignIn, proxy: HeaderSignIn | None = None) -> None:
        """*sessions* begins the sessions; *proxy* reads the headers of a proxy that signs people in."""
        self._runtime = runtime
        self._sessions = sessions
        self._console = console_of(runtime.store)
        self._proxy = proxy

    @property
    def takes_passphrases(self) -> bool:
        """Whether the sign-in page asks for an e-mail address and a passphrase."""
        return LOCAL in self._runtime.settings.people.sign_in

    @property
    def ways(self) -> tuple[str, ...]:
        """How people sign in, in the order shown."""
        return self._runtime.settings.people.sign_in

    @property
    def provider_label(self) -> str:
        """What the link to the provider says."""
        provider = self._runtime.settings.people.oidc
        return provider.label if provider is not None else ""

    async def with_passphrase(
        self, email: str, passphrase: str, ip: str | None, browser: str | None = None
    ) -> str | None:
        """Sign in: return the new session's token, or None, which says nothing of whether the address is known.

        Raises:
            Saturated: no thread is free to compute the hash, or two attempts of this client are under way.
        """
        if not self.takes_passphrases:
            return None
        person = await self._runtime.passphrases.check(email, passphrase, whose=f"sign-in {bucket_of(ip)}")
        return None if person is None else await self._begin(person, ip, browser, by="passphrase")

    async def invited(self, token: str) -> Person | None:
        """Find whom the link of *token* lets in; None if it is used, void or expired."""
        link = await self._sessions.person_link(token)
        person = await self._runtime.store.people.one(link.person_id or "") if link else None
        if person is None or person.has_left or not person.memberships:
            return None
        return person if self.ways_for(person) else None

    def ways_for(self, person: Person) -> tuple[str, ...]:
        """How whoever has a link to *person* can use it, in the order shown: other than by a passphrase, once."""
        usable = {LOCAL, OIDC, HEADER} if person.state is PersonState.INVITED else {LOCAL}
        return tuple(way for way in self.ways if way in usable)

    async def takes(self, way: str, token: str) -> bool:
        """Whether the link of *token* is an invitation that can be redeemed in this *way*."""
        person = await self.invited(token)
        return person is not None and way in self.ways_for(person)

    def named_by_proxy(self, scope: Mapping[str, Any]) -> Claims | None:
        """Whom the headers of a trusted proxy name; None for nobody.

        Raises:
            SignInFailed: the headers cannot be believed, though the proxy sent them.
        """
        return None if self._proxy is None else self._proxy.who(scope)

    def proxied(self, scope: Mapping[str, Any], ip: str | None) -> Claims | None:
        """The like of `named_by_proxy` for a request that goes on without: what cannot be believed names nobody."""
        try:
            return self.named_by_proxy(scope)
        except SignInFailed as error:
            log_refusal("proxy", ip, error)
            return None

    async def renewed(self, who: SignedIn, claims: Claims | None) -> SignedIn | None:
        """*who* as their proxy describes them in this request, with the roles of the groups that it sends now.

        None, and the session has ended, for somebody who could not sign in any more.
        """
        if claims is None or who.person is None or who.person.source is not Source.HEADER:
            return who
        try:
            person = await self._runtime.provider_sign_in.apply(claims, ip=who.ip)
        except REFUSALS as error:
            log_refusal("proxy", who.ip, error)
            await self._console.end_session(who.session.id_hash)
            return None
        found = replace(who, person=person)
        if not found.team:
            await self._console.end_session(who.session.id_hash)
        return found if found.team else None

    async def with_claims(
        self, claims: Claims, invitation: str | None, ip: str | None, browser: str | None = None
    ) -> str | None:
        """Sign in whom *claims* are about, who may redeem the link of the token *invitation*.

        Raises:
            NotFound: the link is used, void or expired.
            SignInFailed, PersonLeft, LastAdmin, LastOwner, Tampered: as `ProviderSignIn.apply` says.
        """
        link = await self._sessions.person_link(invitation) if invitation is not None else None
        if invitation is not None and link is None:
            raise NotFound("this link was used, or it has expired")
        person = await self._runtime.provider_sign_in.apply(claims, ip=ip, invitation=link)
        return await self._begin(person, ip, browser, by=claims.source.value)

    async def with_invitation(
        self, token: str, passphrase: str, ip: str | None, browser: str | None = None
    ) -> str | None:
        """Set the passphrase of whom the link lets in, and sign them in. Raises Invalid, NotFound and Saturated."""
        link = await self._sessions.person_link(token)
        if link is None or not self.takes_passphrases:
            return None
        person = await self._runtime.passphrases.join(link, passphrase, ip)
        return await self._begin(person, ip, browser, by="link")

    async def is_slowed_down(self, email: str) -> bool:
        """Whether too many attempts failed for the address lately, known or not."""
        now = self._runtime.now()
        return await self._console.blocked_until(_bucket(email), now, failures=FAILURES) is not None

    async def failed(self, email: str) -> None:
        """Count a failure for the address, known or not."""
        now = self._runtime.now()
        await self._console.note_failure(_bucket(email), now, until=now + PAUSE, failures=FAILURES)

    async def _begin(self, person: Person, ip: str | None, browser: str | None, *, by: str) -> str | None:
        token = await self._sessions.open_for_person(person, ip, browser, by=by)
        if token is not None:
            await self._runtime.store.people.note_sign_in(person.id, self._runtime.now())
            if person.source is Source.LOCAL:
                await self._console.forget_failures(_bucket(person.email or ""))
        return token


def log_refusal(by: str, ip: str | None, error: KeyfobError) -> None:
    """Log why somebody was not signed in by the provider or the proxy. The page says nothing of it."""
    reason, where = getattr(error, "reason", None) or getattr(error, "code", ""), ip or "an unknown address"
    log.warning(
        "a sign-in by the %s from %s failed: %s: %s", by, where, reason, error, extra={"event": "sign_in_failed"}
    )


def _bucket(email: str) -> str:
    """Whose failures are counted together; not the address itself, which anybody may have typed."""
    return "email " + hashlib.sha256(folded_email(email.strip()).encode("utf-8", "surrogatepass")).hexdigest()
