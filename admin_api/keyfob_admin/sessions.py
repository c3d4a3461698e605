"""Console sessions, and how they begin: with an admin key, with a one-time link, or for a person.

A session is a random token in a cookie; a link holds one in its path (`keyfob.management.browser_tokens`).

What a session may do is read from its key, or from the person and their roles, at every request. It ends with them.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, cast

from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.gate.client_address import Networks
from keyfob.gate.verdict import Denied
from keyfob.keyring.tokens import entry_of, new_token, token_digest
from keyfob.management.actor import Actor
from keyfob.management.people.browser_rows import is_genuine_link, is_genuine_session, sealed_session
from keyfob.people.record import Source
from keyfob.policy.key_types import ADMIN
from keyfob.store.contract.console import Session, SignInLink

if TYPE_CHECKING:
    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Authority
    from keyfob.people.claims import Claims
    from keyfob.people.record import Person
    from keyfob.runtime.runtime import Runtime
    from keyfob.store.contract.console import ConsoleStore
    from keyfob.store.contract.key_store import KeyStore

log = logging.getLogger("keyfob.console")

FAILURES: Final = 5  # within…
PAUSE: Final = timedelta(seconds=60)  # …of the first; then every attempt from that address is slow for as long
USE_NOTED_EVERY: Final = timedelta(minutes=1)
SLOW: Final = 1.0  # seconds that each attempt from such an address takes
_SHARED_V6_PREFIX: Final = 64  # bits; one customer usually has them all


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session with the key or the person behind it as they are now. *csrf* is what the session's forms must carry."""

    session: Session
    ip: str | None
    csrf: bytes = field(repr=False)
    signing: SigningKey = field(repr=False)
    key: KeyRecord | None = None
    person: Person | None = None
    authority: Authority | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Who is signed in, for people."""
        return self.key.name if self.key is not None else cast("Person", self.person).name

    @property
    def team(self) -> str:
        """The team to begin with: the key's, or the first in which the person has a role."""
        if self.key is not None:
            return self.key.team
        return next(iter(self.member_of), "")

    @property
    def member_of(self) -> tuple[str, ...]:
        """The teams in which a person has a role of their own that counts."""
        memberships = () if self.person is None else self.person.memberships
        return tuple(one.team for one in memberships if self._role_in(one.team))

    @property
    def actor(self) -> Actor:
        """Who acts, as the lifecycle and the audit log know it, in the team to begin with."""
        return self.actor_in(self.team)

    def actor_in(self, team: str) -> Actor:
        """Who acts in *team*: with nothing, where a person has no role there. A key acts with what it holds."""
        if self.key is not None:
            return Actor.of_key(self.key, self.ip)
        found = self._role_in(team)
        person = cast("Person", self.person)
        return found or Actor("person", person.id, person.name, None, frozenset(), self.ip, email=person.email)

    def _role_in(self, team: str) -> Actor | None:
        return None if self.authority is None else self.authority.actor(self.person, team, self.ip)

    def draft_hash(self, token: str) -> bytes:
        """What the database stores of a form's *token*."""
        return token_digest(self.signing, "draft", token)


class SignIn:
    """Opens and ends sessions."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._console = console_of(runtime.store)
        self._lasts = timedelta(hours=runtime.settings.admin.session_hours)

    async def with_key(self, text: str, ip: str | None, browser: str | None = None) -> str | None:
        """Sign in with a whole admin key: return the new session's token, or None if the key may not sign in.

        *browser* is for the list of one's sessions, in words.
        """
        verdict = await self._runtime.inspect(text)
        if isinstance(verdict, Denied) or verdict.grant is None:
            return None
        key = await self._good_key(verdict.grant.key_id, ip)
        if key is None:
            return None
        self._runtime.usage.note_admitted(key.id, self._runtime.now().timestamp(), ip, "console")
        return await self._open(key, ip, browser, by="key")

    async def link(self, token: str) -> SignInLink | None:
        """Find a link of an admin key that can still be used, and that Keyfob itself has written."""
        found = await self.genuine_link(token)
        return found if found is not None and found.key_id is not None else None

    async def person_link(self, token: str) -> SignInLink | None:
        """Find the like of `link` for a person who signs in to the console."""
        found = await self.genuine_link(token)
        is_for_console = found is not None and found.person_id is not None and found.return_url is None
        return found if is_for_console else None

    async def genuine_link(self, token: str) -> SignInLink | None:
        """Find a link of any kind that can still be used, and that Keyfob itself has written."""
        entry = entry_of(token, self._runtime.keyring)
        found = await self._console.link(token_digest(entry, "link", token)) if entry else None
        if entry is None or found is None or found.used_at is not None or found.expires_at <= self._runtime.now():
            return None
        if not is_genuine_link(entry, found):
            log.critical(
                "a sign-in link in the database was not written by Keyfob, and is refused",
                extra={"event": "sign_in_link_forged"},
            )
            return None
        return found

    async def with_link(self, token: str, ip: str | None, browser: str | None = None) -> str | None:
        """Use up a one-time link: return the new session's token, or None if the link is no longer valid."""
        found = await self.link(token)
        if found is None or not await self._console.use_link(found.hash, self._runtime.now()):
            return None
        key = await self._good_key(found.key_id, ip)
        return None if key is None else await self._open(key, ip, browser, by="link")

    async def who(self, token: str, ip: str | None, claims: Claims | None = None) -> SignedIn | None:
        """Find the session of *token*, unless it has ended. A session whose key or person has ended is removed.

        *claims* are what the headers of a trusted proxy say of this request: without them, and for anybody else than
        they name, a session by header ends.
        """
        genuine = await self.genuine_session(token)
        if genuine is None or genuine[0].return_url is not None:
            return None
        session, entry = genuine
        found = await self._behind(session, entry, token, ip, claims)
        if found is None or session.expires_at <= self._runtime.now():
            await self._console.end_session(session.id_hash)
            return None
        await self._note_use(session)
        return found

    async def genuine_session(self, token: str) -> tuple[Session, SigningKey] | None:
        """Find a session of any kind, expired or not, that Keyfob itself has written, and the entry of its token."""
        entry = entry_of(token, self._runtime.keyring)
        session = await self._console.session(token_digest(entry, "session", token)) if entry else None
        if entry is None or session is None:
            return None
        if not is_genuine_session(entry, session):
            log.critical(
                "a console session in the database was not written by Keyfob, and is refused",
                extra={"event": "session_forged"},
            )
            return None
        return session, entry

    async def _note_use(self, session: Session) -> None:
        """Record when the session was last used, at most once a minute. A store that takes no note stops no page."""
        now = self._runtime.now()
        if now - (session.last_used_at or session.created_at) >= USE_NOTED_EVERY:
            with suppress(StoreUnavailable):
                await self._console.note_session_use(session.id_hash, now)

    async def _behind(
        self, session: Session, entry: SigningKey, token: str, ip: str | None, claims: Claims | None
    ) -> SignedIn | None:
        """Read the key or the person of *session* as they are now. None if they may not sign in any more."""
        csrf = token_digest(entry, "csrf", token)
        if session.person_id is None:
            key = await self._good_key(session.key_id, ip)
            return None if key is None else SignedIn(session=session, ip=ip, csrf=csrf, signing=entry, key=key)
        person = await self._runtime.store.people.one(session.person_id)
        authority = self._runtime.authority
        found = SignedIn(session=session, ip=ip, csrf=csrf, signing=entry, person=person, authority=authority)
        if person is None or person.source not in self._runtime.settings.people.sign_in or not found.team:
            return None
        is_there = person.source is not Source.HEADER or (claims is not None and claims.known_as == person.subject)
        return found if is_there else None

    async def sign_out(self, who: SignedIn) -> None:
        """End the session, and record it in the audit log."""
        at = self._runtime.now()
        told = {} if who.key is None else {"key": who.key.name}
        key_id = who.key.id if who.key is not None else None
        event = who.actor.did("console.signed_out", at, team=who.team, key_id=key_id, **told)
        await self._console.end_session(who.session.id_hash, event)

    async def forget(self, token: str) -> None:
        """End the session of a browser that has a new one."""
        if entry := entry_of(token, self._runtime.keyring):
            await self._console.end_session(token_digest(entry, "session", token))

    async def slow_down(self, ip: str | None) -> int:
        """Delay an attempt from an address that has failed too often. Returns the seconds until that ends, or 0.

        A wrong key is then refused for that long. A right key or link passes all the same: behind a proxy that is not
        named in ``trusted_proxies`` everybody has one address, and one person's mistakes must not lock out the others.
        """
        now = self._runtime.now()
        until = await self._console.blocked_until(bucket_of(ip), now, failures=FAILURES)
        if until is None:
            return 0
        await asyncio.sleep(SLOW)
        return max(1, round((until - now).total_seconds()))

    async def failed(self, ip: str | None) -> None:
        """Count a failure. It goes to the log, not to the audit log, which strangers must not be able to fill.

        No success sets the count back: whoever has a way in of their own could guess others' passphrases without end.
        """
        now, where = self._runtime.now(), ip or "an unknown address"
        log.warning("a sign-in to the console from %s failed", where, extra={"event": "sign_in_failed"})
        await self._console.note_failure(bucket_of(ip), now, until=now + PAUSE, failures=FAILURES)
        if await self._console.blocked_until(bucket_of(ip), now, failures=FAILURES) is not None:
            log.warning(
                "sign-ins from %s are slowed down after %d failures; if that is a proxy of yours, name it in "
                "trusted_proxies of [middleware], so that each client is counted by its own address",
                where,
                FAILURES,
                extra={"event": "sign_in_slowed_down"},
            )

    async def _open(self, key: KeyRecord, ip: str | None, browser: str | None, *, by: str) -> str | None:
        """Begin a session, and record it in the audit log. Returns None if the key has been revoked meanwhile."""
        entry, now = self._runtime.keyring.signing(), self._runtime.now()
        token = new_token(entry)
        digest = token_digest(entry, "session", token)
        session = Session(digest, key.id, b"", ip, now, now + self._lasts, browser=browser)
        event = Actor.of_key(key, ip).did("console.signed_in", now, team=key.team, key_id=key.id, key=key.name, by=by)
        return token if await self._console.add_session(sealed_session(entry, session), event) else None

    async def open_for_person(
        self, person: Person, ip: str | None, browser: str | None = None, *, by: str
    ) -> str | None:
        """Begin a session of *person*, and record it in the audit log. Returns None for somebody without any role."""
        entry, now = self._runtime.keyring.signing(), self._runtime.now()
        token, authority = new_token(entry), self._runtime.authority
        digest = token_digest(entry, "session", token)
        session = Session(digest, None, b"", ip, now, now + self._lasts, person.id, browser)
        csrf = token_digest(entry, "csrf", token)
        who = SignedIn(session=session, ip=ip, csrf=csrf, signing=entry, person=person, authority=authority)
        if not who.team:
            return None
        event = who.actor.did("console.signed_in", now, team=who.team, by=by)
        return token if await self._console.add_session(sealed_session(entry, session), event) else None

    async def _good_key(self, key_id: str | None, ip: str | None) -> KeyRecord | None:
        """Read the key as it is now. None unless it is an admin key that would be admitted from *ip*."""
        key = (await self._runtime.store.find(key_id)).record if key_id is not None else None
        if key is None or key.key_type != ADMIN or self._runtime.keyring.is_retired(key.key_char):
            return None
        ended = key.is_deleted or key.is_disabled or key.is_pending or key.is_expired(self._runtime.now())
        suspended = self._runtime.catalogue.suspends(key.plan, key.key_type)
        in_place = not key.ip_allow or (ip is not None and Networks(key.ip_allow).contains(ip))
        return key if in_place and not ended and not suspended else None


def console_of(store: KeyStore) -> ConsoleStore:
    """The part of *store* that the console uses. Raises ConfigError where there is none."""
    console = getattr(store, "console", None)
    if console is None:
        raise ConfigError("this store keeps no sessions, so the console cannot run on it")
    return cast("ConsoleStore", console)


def bucket_of(ip: str | None) -> str:
    """Whose failures are counted together: an IPv4 address, or an IPv6 network of a single customer."""
    if ip is None:
        return "unknown"
    address = ip_address(ip)
    return ip if address.version == 4 else str(ip_network((int(address), _SHARED_V6_PREFIX), strict=False))  # noqa: PLR2004
