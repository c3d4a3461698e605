"""Offboarding: a person leaves, and everything that they held ends or goes to somebody else, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from keyfob.errors import Invalid, OwnKeysOnly, PersonLeft
from keyfob.management.actor import confirmed
from keyfob.management.key_changes import put_changed
from keyfob.management.owners import check_new_owner
from keyfob.management.people.departures import carry_out, require_owner
from keyfob.management.people.people_reach import WRITE, check_genuine, check_reaches, told_of, visible_person
from keyfob.management.validation import clean_reason
from keyfob.people.record import PersonState
from keyfob.policy.key_types import ADMIN
from keyfob.store.contract.key_store import TEAM_OWNER

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.management.authority import RoleAuthority
    from keyfob.people.record import Person
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

KEEP: Final = "keep"
DISABLE: Final = "disable"
TRANSFER: Final = "transfer"
CHOICES: Final = (KEEP, DISABLE, TRANSFER)


@dataclass(frozen=True, slots=True)
class Offboarding:
    """What a person's leaving did, or would do: every key that they owned, as it is then."""

    keys: tuple[KeyRecord, ...]
    sessions_ended: int
    admin_keys_ended: int


class _DryRun(Exception):
    """Takes the result out of a transaction that is undone."""

    def __init__(self, result: Offboarding) -> None:
        super().__init__()
        self.result = result


def _needed(keys: str) -> tuple[str, ...]:
    return (WRITE,) if keys == KEEP else (WRITE, "keys:write")


def _check(keys: str, to: str | None) -> None:
    if keys not in CHOICES:
        raise Invalid(("/keys", f"This must be one of {', '.join(CHOICES)}"))
    if to is not None and not (to.isascii() and to.isalnum()):
        raise Invalid(("/to", 'This must be the id of a person, or "team"'))
    if (keys == TRANSFER) != (to is not None):
        raise Invalid(("/to", "Name whom the keys go to with transfer, and only then"))


class Offboard:
    """Lets people leave."""

    def __init__(self, store: KeyStore, authority: RoleAuthority, now: Callable[[], datetime]) -> None:
        self._store = store
        self._authority = authority
        self._now = now

    async def run(
        self,
        person_id: str,
        *,
        keys: str,
        to: str | None = None,
        dry_run: bool = False,
        reason: str | None = None,
        actor: Actor,
    ) -> Offboarding:
        """End all memberships, sessions, links and admin keys of a person; *keys* says what becomes of the others.

        That is ``keep``, ``disable`` or ``transfer``: *to* the id of a person, or ``team``. *dry_run* changes nothing.

        Raises:
            Forbidden, NotFound, Invalid, ExceedsOwnPermissions, ExceedsOwnLimits, OwnKeysOnly, LastAdmin, LastOwner,
            PersonLeft
        """
        needed = _needed(keys)
        actor.demand(*needed)
        _check(keys, to)
        told = clean_reason(reason, cut=self._authority.catalogue.cut_foreign)
        await visible_person(self._store.people.one, person_id, actor)

        async def work(rows: Transaction) -> Offboarding:
            at = self._now()
            doer = await confirmed(actor, rows, *needed, at=at)
            before = await visible_person(rows.person, person_id, doer)
            result = await self._leave(rows, before, keys, to, doer, at=at, reason=told)
            if dry_run:
                raise _DryRun(result)
            return result

        try:
            return await self._store.change(work)
        except _DryRun as dry:
            return dry.result

    async def _leave(
        self,
        rows: Transaction,
        before: Person,
        keys: str,
        to: str | None,
        doer: Actor,
        *,
        at: datetime,
        reason: str | None,
    ) -> Offboarding:
        check_genuine(before, self._authority)
        check_reaches(doer, before, self._authority)
        if doer.own_keys_only and keys != KEEP:
            raise OwnKeysOnly("your role changes only keys of your own; keep theirs, or ask somebody with a wider role")
        if before.has_left:
            raise PersonLeft("this person has left already")
        after = replace(before, state=PersonState.LEFT, memberships=(), passphrase=None)
        await rows.put_person(after)
        await require_owner(rows, before, self._authority)
        because = {} if reason is None else {"reason": reason}
        for one in before.memberships:
            await rows.append(told_of(doer, "person.removed", at, after, team=one.team, role=one.role, **because))
        owned = {key.id: key for key in await rows.keys_of_person(before.id)}
        ended = await carry_out(rows, after, (), self._authority, doer, at=at, reason=reason)
        others = [key for key in owned.values() if key.key_type != ADMIN and doer.may_see(key.team)]
        owned |= {one.after.id: one.after for one in ended}
        owned |= await self._settle(rows, others, keys, to, doer, at=at, reason=reason)
        await rows.void_links(before.id)
        sessions = await rows.end_sessions(before.id)
        told = {"keys": keys, "sessions_ended": sessions, "admin_keys_ended": len(ended), **because}
        await rows.append(told_of(doer, "person.offboarded", at, after, team=None, **told))
        return Offboarding(tuple(key for key in owned.values() if doer.may_see_key(key)), sessions, len(ended))

    async def _settle(
        self,
        rows: Transaction,
        keys: list[KeyRecord],
        choice: str,
        to: str | None,
        doer: Actor,
        *,
        at: datetime,
        reason: str | None,
    ) -> dict[str, KeyRecord]:
        """Do with *keys* what was chosen, and return those that it changed."""
        changed = {}
        new_owner = None if to in {None, TEAM_OWNER} else to
        if new_owner is not None and not keys:
            await _check_heir(rows, new_owner, doer)
        for key in keys:
            if choice == DISABLE and not key.is_disabled:
                after = replace(key, disabled_at=at)
            elif choice == TRANSFER:
                name = await check_new_owner(rows, key, new_owner, self._authority, doer, pointer="/to")
                after = replace(key, owner_id=new_owner, owner_name=name)
            else:
                continue
            await put_changed(rows, key, after, doer, at=at, reason=reason)
            changed[key.id] = after
        revision = await rows.next_revision() if changed else 0
        return {key_id: replace(key, revision=revision) for key_id, key in changed.items()}


async def _check_heir(rows: Transaction, person_id: str, doer: Actor) -> None:
    """Where there is no key to be judged by, at least know the person: the dry run would promise what cannot be."""
    heir = await rows.person(person_id)
    if heir is None or heir.has_left or not any(doer.may_see(one.team) for one in heir.memberships):
        raise Invalid(("/to", "There is nobody with this id"))
