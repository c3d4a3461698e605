"""Keyring rotation: which signing key issues, which ones are retired and which are lost.

The keys themselves are in the keyring file. `added` only records that an entry was written, so that it can be copied to
every worker before `KeyringRotation.activate` makes the workers issue with it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.errors import Invalid, NotFound
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState, is_sealed, newest_active
from keyfob.management.actor import confirmed
from keyfob.management.escalation import is_root
from keyfob.policy.key_types import ADMIN
from keyfob.store.contract.key_store import KeyQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction
    from keyfob.store.contract.workers import Worker

_MOST_ROOTS = 1000
_FORGED = (
    "the states of the signing keys were changed by somebody without the keyring; "
    "`keyfob audit verify` names each difference: put it back, or restore a backup"
)
_NEEDED = "*"  # the keyring is everybody's, so only who may do everything touches it


class KeyringRotation:
    """Changes the states of signing keys. Each change is one revision, which reaches workers like a change to a key.

    Every change verifies the seal that the states carry and seals them anew (`keyfob.keyring.states`).
    """

    def __init__(
        self, store: KeyStore, now: Callable[[], datetime], entries: Callable[[], Mapping[str, SigningKey]]
    ) -> None:
        """*entries* returns what the keyring file holds, by character."""
        self._store = store
        self._now = now
        self._entries = entries

    async def marks(self) -> tuple[SigningKeyRecord, ...]:
        """Read every state that the database knows, oldest first."""
        return tuple(sorted((await self._store.changes(None)).keyring, key=lambda mark: (mark.activated_at, mark.char)))

    async def added(self, entry: SigningKey, *, actor: Actor) -> None:
        """Record that *entry* was written to the keyring file. Raises Invalid if its character was used before."""

        async def work(rows: Transaction) -> None:
            at = self._now()
            doer = await confirmed(actor, rows, _NEEDED, at=at)
            if _find(await rows.signing_keys(), entry.char) is not None:
                raise Invalid(("/char", f"entry {entry.char} was used before; a character is never used twice"))
            await rows.append(doer.did("keyring.added", at, char=entry.char, fingerprint=entry.fingerprint))

        await self._store.change(work)

    async def activate(self, entry: SigningKey, *, actor: Actor) -> SigningKeyRecord:
        """Issue keys with *entry* from now on. Nothing changes if it issues already.

        Where no entry that sealed the states is left, *entry* seals them: what was lost is active again until the
        operator declares it lost again, because nobody can tell whether somebody else wrote that.

        Raises:
            Invalid: the entry was retired or lost, the database knows another key under its character, or the states
                were changed by somebody without the keyring.
        """

        async def work(rows: Transaction) -> SigningKeyRecord:
            at = self._now()
            doer = await confirmed(actor, rows, _NEEDED, at=at)
            marks = await rows.signing_keys()
            known = _find(marks, entry.char)
            if known is not None:
                _check_same(known, entry)
            newest = max((mark for mark in marks if mark.state is SigningKeyState.ACTIVE), key=_age, default=None)
            is_trusted = self._check_seal(marks)
            if newest is not None and newest.char == entry.char and is_trusted:
                return newest
            for doubtful in [] if is_trusted else [m for m in marks if m.state is SigningKeyState.LOST]:
                await self._put(rows, replace(doubtful, state=SigningKeyState.ACTIVE), entry, doer, at)
            mark = SigningKeyRecord(entry.char, entry.fingerprint, SigningKeyState.ACTIVE, _after(marks, at))
            # The old entry seals what the old entry can: a worker that lacks the new one must still read the states.
            sealer = newest_active(marks, self._entries()) if is_trusted else None
            await self._put(rows, mark, sealer or entry, doer, at)
            return mark

        return await self._store.change(work)

    async def retire(self, char: str, *, actor: Actor) -> SigningKeyRecord:
        """Refuse every key that carries *char*, from now on and for good.

        Raises:
            NotFound: the database does not know it.
            Invalid: it is the only active one.
        """
        return await self._end(char, SigningKeyState.RETIRED, actor)

    async def lost(self, char: str, *, actor: Actor) -> SigningKeyRecord:
        """Let keys that carry *char* pass by Argon2id alone, because nobody has the entry any more.

        Raises:
            NotFound: the database does not know it.
            Invalid: it is the only active one, or it was retired: its keys stay refused.
        """
        return await self._end(char, SigningKeyState.LOST, actor)

    async def workers_without(self, entry: SigningKey) -> list[Worker]:
        """Find the workers that, as they reported last, do not have *entry* yet. Each reports once a minute."""
        return [worker for worker in await self._store.workers.all() if entry.fingerprint not in worker.keyring]

    async def root_keys(self) -> list[KeyRecord]:
        """Find the keys that can do everything and carry no retired entry; at most `_MOST_ROOTS` are looked at."""
        at = self._now()
        retired = {mark.char for mark in await self.marks() if mark.state is SigningKeyState.RETIRED}
        query = KeyQuery(team=None, now=at, key_type=ADMIN, permission="*", limit=_MOST_ROOTS)
        roots = [view.record for view in await self._store.views(query)]
        return [root for root in roots if is_root(root, at, retired=retired)]

    async def _end(self, char: str, state: SigningKeyState, actor: Actor) -> SigningKeyRecord:
        async def work(rows: Transaction) -> SigningKeyRecord:
            at = self._now()
            doer = await confirmed(actor, rows, _NEEDED, at=at)
            marks = await rows.signing_keys()
            mark = _find(marks, char)
            if mark is None:
                raise NotFound(f"the database knows no signing key {char[:1]}")
            if mark.state is state:
                return mark
            _check_end(marks, mark, state)
            if not self._check_seal(marks):
                raise Invalid(
                    ("/char", "the keyring lacks the entry that sealed the states; copy the current one here")
                )
            ended = replace(mark, state=state)
            sealer = newest_active([other for other in marks if other.char != char], self._entries())
            if sealer is None:
                raise Invalid(("/char", "the keyring holds no other active entry, which has to seal this change"))
            await self._put(rows, ended, sealer, doer, at)
            if (retiring := self._entries().get(char)) is not None:
                await rows.reseal_people(retiring, sealer)
            return ended

        return await self._store.change(work)

    async def _put(
        self, rows: Transaction, mark: SigningKeyRecord, sealer: SigningKey, actor: Actor, at: datetime
    ) -> None:
        action = "keyring.activated" if mark.state is SigningKeyState.ACTIVE else f"keyring.{mark.state}"
        await rows.put_signing_key(mark, seal_with=sealer)
        await rows.append(actor.did(action, at, char=mark.char, fingerprint=mark.fingerprint))

    def _check_seal(self, marks: list[SigningKeyRecord]) -> bool:
        """Whether the seal holds; False where the entry that made it is gone. Raises Invalid for a forgery."""
        if not marks or is_sealed(marks, self._entries()):
            return True
        if {mark.sealed_by for mark in marks} & self._entries().keys():
            raise Invalid(("/char", _FORGED))
        return False


def _find(marks: list[SigningKeyRecord], char: str) -> SigningKeyRecord | None:
    return next((mark for mark in marks if mark.char == char), None)


def _age(mark: SigningKeyRecord) -> datetime:
    return mark.activated_at


def _after(marks: list[SigningKeyRecord], at: datetime) -> datetime:
    """Give *at*, or the next microsecond after the newest mark where the clock has gone back."""
    return max([at, *(mark.activated_at + timedelta(microseconds=1) for mark in marks)])


def _check_same(known: SigningKeyRecord, entry: SigningKey) -> None:
    if known.state is not SigningKeyState.ACTIVE:
        raise Invalid(("/char", f"entry {entry.char} is {known.state}; add a new one with `keyfob keyring add`"))
    if known.fingerprint != entry.fingerprint:
        raise Invalid(
            (
                "/char",
                f"entry {entry.char} of this keyring is not the one the database knows; copy the right keyring here",
            )
        )


def _check_end(marks: list[SigningKeyRecord], mark: SigningKeyRecord, state: SigningKeyState) -> None:
    if mark.state is SigningKeyState.RETIRED:
        raise Invalid(("/char", f"entry {mark.char} is retired: its keys stay refused"))
    others = [other for other in marks if other.state is SigningKeyState.ACTIVE and other.char != mark.char]
    if not others:
        fix = f"run `keyfob keyring add` and `keyfob keyring activate` before it is {state}"
        raise Invalid(
            ("/char", f"entry {mark.char} is the only active one, and no key could be made without it; {fix}")
        )
