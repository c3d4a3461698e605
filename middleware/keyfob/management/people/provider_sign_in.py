"""Lets people in by the word of an identity provider or of a proxy, and brings their memberships up to date."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.errors import Invalid, NotFound, PersonLeft, SignInFailed
from keyfob.keys.format import new_key_id
from keyfob.management.actor import Actor
from keyfob.management.people.departures import carry_out, require_owner
from keyfob.management.people.group_memberships import with_groups
from keyfob.management.people.people_reach import check_genuine, told_of
from keyfob.management.validation import NAME_LENGTH, clean_email, clean_name
from keyfob.people.record import Membership, Person, PersonState, Source, folded_email

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from keyfob.keys.record import Team
    from keyfob.management.authority import RoleAuthority
    from keyfob.people.claims import Claims
    from keyfob.policy.group_rules import GroupRule
    from keyfob.store.contract.console import SignInLink
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction


class ProviderSignIn:
    """Applies what a provider says about somebody to what is stored of them, in one transaction.

    A person is known by what the provider knows them by, never by an e-mail address: two sources are two people.
    """

    def __init__(
        self,
        store: KeyStore,
        authority: RoleAuthority,
        rules: Sequence[GroupRule],
        now: Callable[[], datetime],
    ) -> None:
        """*rules* give groups roles; the first one that fits counts."""
        self._store = store
        self._authority = authority
        self._rules = rules
        self._now = now

    async def apply(self, claims: Claims, *, ip: str | None, invitation: SignInLink | None = None) -> Person:
        """Return whom *claims* are about, as they are from now on. *invitation* is a genuine link that they redeem.

        Raises:
            SignInFailed: the person has no role anywhere, or the invitation is not theirs.
            NotFound: the invitation was used, or it has expired.
            PersonLeft: the person has left.
            LastAdmin, LastOwner: the loss of a group would leave nobody; nothing is changed.
            Tampered: the person's row is not what Keyfob wrote.
        """
        claims = _clean(claims)
        if invitation is None and (person := await self._unchanged(claims)) is not None:
            return person

        async def work(rows: Transaction) -> Person:
            return await self._apply(rows, claims, ip, invitation)

        person = await self._store.change(work)
        if not person.memberships:
            raise SignInFailed("no_membership", "none of the person's groups has a role, and nobody has given them one")
        return person

    async def _unchanged(self, claims: Claims) -> Person | None:
        """The person, if there is nothing to write: a header is read at every request."""
        person = await self._store.people.of_subject(claims.source, claims.known_as)
        if person is None or not person.is_active or not person.memberships or not self._authority.is_genuine(person):
            return None
        memberships = with_groups(person.memberships, claims.groups, self._rules)
        if memberships != person.memberships:  # a team of the configuration may not be made yet
            memberships = await _existing(self._store.team, memberships)
        return person if person == _described(person, claims, memberships) else None

    async def _apply(self, rows: Transaction, claims: Claims, ip: str | None, invitation: SignInLink | None) -> Person:
        at = self._now()
        before = await rows.person_of_subject(claims.source, claims.known_as)
        if before is not None:
            check_genuine(before, self._authority)
        invited = await self._redeemed(rows, invitation, claims, at) if invitation is not None else None
        if before is not None and before.has_left and invited is None:
            raise PersonLeft("this person has left; invite them again")
        base = before or invited or _new(claims, at)
        if before is not None and invited is not None:
            base = await self._merged(rows, before, invited, ip, at)
        memberships = await _existing(rows.team, with_groups(base.memberships, claims.groups, self._rules))
        after = _described(base, claims, memberships)
        if before is None and invited is None and not memberships:
            raise SignInFailed("no_membership", "none of the person's groups has a role, and nobody has invited them")
        if after != before:
            await self._write(rows, before, after, ip, at)
        return await rows.person(after.id) or after  # with its seal

    async def _write(
        self, rows: Transaction, before: Person | None, after: Person, ip: str | None, at: datetime
    ) -> None:
        await rows.put_person(after)
        doer = _doer(after, ip)
        has_joined = before is None or not before.is_active
        told: dict[str, object] = {"source": after.source.value}
        if before is not None:
            told |= {
                name: {"from": getattr(before, name), "to": getattr(after, name)}
                for name in ("name", "email")
                if getattr(before, name) != getattr(after, name)
            }
            await require_owner(rows, before, self._authority)
            if folded_email(before.email) != folded_email(after.email):
                await rows.end_sessions(after.id)
        if before is None or before.memberships != after.memberships:
            told["memberships"] = [[one.team, one.role, one.by.value] for one in after.memberships]
        team = after.memberships[0].team if after.memberships else None
        action = "person.joined" if has_joined else "person.updated"
        await rows.append(told_of(doer, action, at, after, team=team, **told))
        if before is not None and before.memberships != after.memberships:
            await carry_out(rows, after, (), self._authority, Actor.system(), at=at)

    async def _redeemed(self, rows: Transaction, link: SignInLink, claims: Claims, at: datetime) -> Person:
        """Use up *link*, and return whom it invited. Only the invited address, verified by the provider, redeems it."""
        invited = await rows.person(link.person_id or "")
        if invited is None or invited.source is not Source.LOCAL or invited.state is not PersonState.INVITED:
            raise NotFound("this link is no invitation, or it was used")
        check_genuine(invited, self._authority)
        if claims.email is None:
            raise SignInFailed("email_unverified", "the provider has not verified an e-mail address of this person")
        if folded_email(claims.email) != folded_email(invited.email):
            raise SignInFailed("email_differs", "the invitation was sent to another e-mail address")
        if not await rows.use_link(link.hash, at):
            raise NotFound("this link was used, or it has expired")
        await rows.void_links(invited.id)
        return replace(invited, source=claims.source, subject=claims.known_as, passphrase=None)

    async def _merged(self, rows: Transaction, before: Person, invited: Person, ip: str | None, at: datetime) -> Person:
        """*before* with the memberships of *invited*, whose own row has served. The roles of *before* stand."""
        local = replace(invited, source=Source.LOCAL, subject=folded_email(invited.email))
        gone = replace(local, state=PersonState.LEFT, memberships=())
        await rows.put_person(gone)
        await rows.append(told_of(_doer(before, ip), "person.updated", at, gone, team=None, joined_as=before.id))
        given = before.memberships
        for one in invited.memberships:
            if before.role_in(one.team) is None:
                given = (*given, one)
        return replace(before, memberships=tuple(sorted(given)))


async def _existing(
    team: Callable[[str], Awaitable[Team | None]], memberships: tuple[Membership, ...]
) -> tuple[Membership, ...]:
    """Those of *memberships* whose team is there; the configuration may name one that is not made yet."""
    return tuple([one for one in memberships if await team(one.team) is not None])


def _clean(claims: Claims) -> Claims:
    """*claims* with an address and a name as Keyfob keeps them."""
    try:
        email = None if claims.email is None else clean_email(claims.email)
    except Invalid:
        email = None
    visible = "".join(character if character.isprintable() else " " for character in claims.name)
    try:
        name = clean_name(" ".join(visible.split())[:NAME_LENGTH].strip())
    except Invalid:
        name = (email or "Somebody without a name")[:NAME_LENGTH]
    return replace(claims, email=email, name=name)


def _new(claims: Claims, at: datetime) -> Person:
    return Person(
        new_key_id(), claims.source, claims.known_as, claims.email, claims.name, PersonState.ACTIVE, created_at=at
    )


def _described(person: Person, claims: Claims, memberships: tuple[Membership, ...]) -> Person:
    return replace(
        person, email=claims.email, name=claims.name, state=PersonState.ACTIVE, memberships=tuple(sorted(memberships))
    )


def _doer(person: Person, ip: str | None) -> Actor:
    return Actor("person", person.id, person.name, None, frozenset(), ip, email=person.email)
