"""Local sign-in: a person joins by a link, and from then on proves to be themselves by a passphrase."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.errors import NotFound
from keyfob.keys.hashing import hash_secret, verify
from keyfob.management.actor import Actor
from keyfob.management.people.people_reach import told_of
from keyfob.people.passphrase import LONGEST, clean_passphrase, normal
from keyfob.people.record import PersonState, Source, folded_email

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.keys.hashing import Argon2Parameters
    from keyfob.management.authority import RoleAuthority
    from keyfob.people.record import Person
    from keyfob.store.contract.console import SignInLink
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

_STAND_IN = "a passphrase that nobody has"


class Passphrases:
    """Sets and checks passphrases, on the bounded pool that hashes keys."""

    def __init__(
        self,
        store: KeyStore,
        authority: RoleAuthority,
        pool: Argon2Pool,
        parameters: Argon2Parameters,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._authority = authority
        self._pool = pool
        self._parameters = parameters
        self._now = now
        self._stand_in: str | None = None

    def _nobody(self) -> str:
        """A hash to compute where there is no other, so that time tells nobody which addresses are known."""
        if self._stand_in is None:
            self._stand_in = hash_secret(_STAND_IN, self._parameters)
        return self._stand_in

    async def check(self, email: str, passphrase: str, *, whose: str | None = None) -> Person | None:
        """Find the local person with this address and passphrase; None for whatever reason.

        Of those whose attempts are counted together as *whose*, two at a time are tried: what comes all at once would
        else be tried before the first failure counts.

        Raises:
            Saturated: no thread is free to compute the hash, or two attempts are under way.
        """
        subject = folded_email(email.strip())
        person = await self._store.people.of_subject(Source.LOCAL, subject) if subject.isprintable() else None
        usable = person is not None and person.is_active and self._authority.is_genuine(person)
        hashed = person.passphrase if usable and person is not None else None
        text = normal(passphrase) if len(passphrase) <= LONGEST else ""
        is_right = await self._pool.run(self._matches, hashed, text, key_id=whose)
        return person if is_right and hashed is not None else None

    def _matches(self, hashed: str | None, text: str) -> bool:
        """Take one turn on the pool, known or not: a second one takes long where others wait, and would tell."""
        stand_in = self._nobody()
        return verify(hashed or stand_in, text)

    async def join(self, link: SignInLink, passphrase: str, ip: str | None) -> Person:
        """Use up *link*, and let its person sign in with *passphrase* from now on.

        Raises:
            Invalid: the passphrase is too short, too long or common. The link can be used again.
            NotFound: the link was used, or voided, or it has expired.
            Saturated: no thread is free to compute the hash.
        """
        before = await self._store.people.one(link.person_id or "")
        text = clean_passphrase(passphrase, email=before.email if before else None)
        hashed = await self._pool.run(hash_secret, text, self._parameters)

        async def work(rows: Transaction) -> Person:
            at = self._now()
            person = await rows.person(link.person_id or "")
            used = await rows.use_link(link.hash, at)
            if not used or person is None or person.has_left or person.source is not Source.LOCAL:
                raise NotFound("this link was used, or it has expired")
            if not person.memberships or not self._authority.is_genuine(person):
                raise NotFound("this link leads nowhere any more")
            after = replace(person, state=PersonState.ACTIVE, passphrase=hashed, last_sign_in_at=at)
            await rows.put_person(after)
            await rows.void_links(person.id)
            await rows.end_sessions(person.id)
            doer = Actor("person", person.id, person.name, None, frozenset(), ip, email=person.email)
            action = "person.joined" if person.state is PersonState.INVITED else "person.updated"
            team = person.memberships[0].team
            await rows.append(told_of(doer, action, at, after, team=team, changed="passphrase"))
            return await rows.person(person.id) or after  # with its seal

        return await self._store.change(work)
