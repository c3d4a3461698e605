"""Who is signed in to the console, and how they got there: with an admin key, or by a one-time link.

A session is a random token in a cookie, of which the database has the digest. Its first character says which keyring
entry the key carried that was signed in with (``-``: a link), so that retiring the entry ends the session, too. What
the session may do is read from its key at every request: a key that falls takes its sessions along.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, cast

from keyfob.errors import ConfigError
from keyfob.gate.client_address import Networks
from keyfob.gate.verdict import Denied
from keyfob.keys.format import KEY_CHAR_AT
from keyfob.management.actor import Actor
from keyfob.policy.key_types import ADMIN
from keyfob.store.console import Session, SignInLink

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.runtime.runtime import Runtime
    from keyfob.store.console import ConsoleStore
    from keyfob.store.contract import KeyStore

log = logging.getLogger("keyfob.console")

LINK_LASTS: Final = timedelta(minutes=10)
FAILURES: Final = 5  # within…
PAUSE: Final = timedelta(seconds=60)  # …of the first; then nobody from that address may try for as long
_NO_KEY_CHAR: Final = "-"
_LONGEST_TOKEN: Final = 100
_SHARED_V6_PREFIX: Final = 64  # bits; one customer usually has them all


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with the key behind it as it is now."""

    session: Session
    key: KeyRecord
    ip: str | None

    @property
    def actor(self) -> Actor:
        """Who acts, as the lifecycle and the audit log know it."""
        return _acting_as(self.key, self.ip)


class SignIn:
    """Opens and ends sessions."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._console = console_of(runtime.store)
        self._lasts = timedelta(hours=runtime.settings.admin.session_hours)

    async def with_key(self, text: str, ip: str | None) -> str | None:
        """Sign in with a whole admin key: the new session's token, or None if the key is not good for that."""
        verdict = await self._runtime.inspect(text)
        if isinstance(verdict, Denied) or verdict.grant is None:
            return None
        key = await self._good_key(verdict.grant.key_id, ip)
        if key is None:
            return None
        self._runtime.usage.note_admitted(key.id, self._runtime.now().timestamp(), ip)
        return await self._open(key, text[KEY_CHAR_AT], ip, by="key")

    async def link(self, token: str) -> SignInLink | None:
        """Find a link that could still be used."""
        found = await self._console.link(digest(token))
        fresh = found is not None and found.used_at is None and found.expires_at > self._runtime.now()
        return found if fresh else None

    async def with_link(self, token: str, ip: str | None) -> str | None:
        """Use up a one-time link: the new session's token, or None if the link is not good any more."""
        found = await self.link(token)
        if found is None or not await self._console.use_link(found.hash, self._runtime.now()):
            return None
        key = await self._good_key(found.key_id, ip)
        return None if key is None else await self._open(key, _NO_KEY_CHAR, ip, by="link")

    async def who(self, token: str, ip: str | None) -> SignedIn | None:
        """Find the session of *token*, unless it has ended; one whose key was revoked ends here."""
        session = await self._console.session(digest(token)) if token else None
        if session is None:
            return None
        key = await self._good_key(session.key_id, ip)
        if key is None or session.expires_at <= self._runtime.now() or self._runtime.keyring.is_retired(token[0]):
            await self._console.end_session(session.id_hash)
            return None
        return SignedIn(session, key, ip)

    async def sign_out(self, who: SignedIn) -> None:
        """End the session, as the audit log will tell."""
        key, at = who.key, self._runtime.now()
        event = who.actor.did("console.signed_out", at, team=key.team, key_id=key.id, key=key.name)
        await self._console.end_session(who.session.id_hash, event)

    async def forget(self, token: str) -> None:
        """End the session of a browser that has got a new one."""
        if token:
            await self._console.end_session(digest(token))

    async def must_wait(self, ip: str | None) -> int:
        """For how many seconds nobody at this address may try; 0 if they may."""
        now = self._runtime.now()
        until = await self._console.blocked_until(bucket_of(ip), now, failures=FAILURES)
        return 0 if until is None else max(1, round((until - now).total_seconds()))

    async def failed(self, ip: str | None) -> None:
        """Count a failure. It is logged, and not in the audit log, which strangers must not be able to fill."""
        now = self._runtime.now()
        log.warning("a sign-in to the console from %s failed", ip or "an unknown address")
        await self._console.note_failure(bucket_of(ip), now, until=now + PAUSE, failures=FAILURES)

    async def succeeded(self, ip: str | None) -> None:
        """Forget the failures before."""
        await self._console.forget_failures(bucket_of(ip))

    async def _open(self, key: KeyRecord, key_char: str, ip: str | None, *, by: str) -> str | None:
        """Begin a session, as the audit log will tell; None if the key was revoked meanwhile."""
        token = key_char + secrets.token_urlsafe(32)
        now = self._runtime.now()
        session = Session(digest(token), key.id, secrets.token_bytes(32), ip, now, now + self._lasts)
        event = _acting_as(key, ip).did("console.signed_in", now, team=key.team, key_id=key.id, key=key.name, by=by)
        return token if await self._console.add_session(session, event) else None

    async def _good_key(self, key_id: str, ip: str | None) -> KeyRecord | None:
        """Read the key as it is now, if it is an admin key that may be used from here."""
        key = (await self._runtime.store.find(key_id)).record
        return key if key is not None and _is_good(key, ip, self._runtime.now()) else None


async def make_link(store: KeyStore, key: KeyRecord, now: datetime, *, actor: Actor) -> str:
    """Make a link that signs in as the admin key *key* once, within `LINK_LASTS`; give its token."""
    token = secrets.token_urlsafe(32)
    event = actor.did("console.link_created", now, team=key.team, key_id=key.id, key=key.name)
    await console_of(store).add_link(SignInLink(digest(token), key.id, now, now + LINK_LASTS), event)
    return token


def link_address(console_url: str, token: str) -> str:
    """Where the link of *token* is, in the console at *console_url*."""
    return f"{console_url}/login/link/{token}"


def console_of(store: KeyStore) -> ConsoleStore:
    """The part of *store* that the console uses. Raises ConfigError where there is none."""
    console = getattr(store, "console", None)
    if console is None:
        raise ConfigError("this store keeps no sessions, so the console cannot run on it")
    return cast("ConsoleStore", console)


def digest(token: str) -> bytes:
    """What the database has of a token. 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token[:_LONGEST_TOKEN].encode("utf-8", "surrogatepass")).digest()


def bucket_of(ip: str | None) -> str:
    """Whose failures are counted together: an IPv4 address, or an IPv6 network of a single customer."""
    if ip is None:
        return "unknown"
    address = ip_address(ip)
    return ip if address.version == 4 else str(ip_network((int(address), _SHARED_V6_PREFIX), strict=False))  # noqa: PLR2004


def _acting_as(key: KeyRecord, ip: str | None) -> Actor:
    return Actor("key", key.id, key.name, key.team, frozenset(key.permissions), ip)


def _is_good(key: KeyRecord, ip: str | None, now: datetime) -> bool:
    revoked = key.is_deleted or key.is_disabled or key.is_expired(now)
    in_place = not key.ip_allow or (ip is not None and Networks(key.ip_allow).contains(ip))
    return key.key_type == ADMIN and not revoked and in_place
