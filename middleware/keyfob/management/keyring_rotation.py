"""What the database says of each key character: which one issues, which are refused, which are lost.

The keys themselves are in the keyring file. `added` only notes that an entry was written, so that it can be handed
to every worker before `KeyringRotation.activate` makes one of them issue with it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.errors import Invalid, NotFound
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.management.actor import confirmed
from keyfob.management.escalation import is_root
from keyfob.policy.key_types import ADMIN
from keyfob.store.contract import EventQuery, KeyQuery

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.store.contract import KeyStore, Transaction

_MOST_ROOTS = 1000
_NEEDED = "*"  # the keyring is everybody's, so only who may do everything touches it


class KeyringRotation:
    """Changes the marks. Each change is one revision, which every worker takes over like a change to a key."""

    def __init__(self, store: KeyStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def marks(self) -> tuple[SigningKeyRecord, ...]:
        """Every character that the database knows, oldest first."""
        return tuple(sorted((await self._store.changes(None)).keyring, key=lambda mark: (mark.activated_at, mark.char)))

    async def added(self, entry: SigningKey, *, actor: Actor) -> None:
        """Note that *entry* was written to the keyring file. Raises Invalid if its character was used before."""

        async def work(rows: Transaction) -> None:
            at = self._now()
            doer = await confirmed(actor, rows, _NEEDED, at=at)
            if _find(await rows.signing_keys(), entry.char) is not None:
                raise Invalid(("/char", f"entry {entry.char} was used before; a character is never used twice"))
            await rows.append(doer.did("keyring.added", at, char=entry.char, fingerprint=entry.fingerprint))

        await self._store.change(work)

    async def activate(self, entry: SigningKey, *, actor: Actor) -> SigningKeyRecord:
        """Issue keys and compute MACs with *entry* from now on. Nothing changes if that is so already.

        Raises:
            Invalid: the entry was retired or lost, or the database knows another key under its character.
        """

        async def work(rows: Transaction) -> SigningKeyRecord:
            at = self._now()
            doer = await confirmed(actor, rows, _NEEDED, at=at)
            marks = await rows.signing_keys()
            known = _find(marks, entry.char)
            if known is not None:
                _check_same(known, entry)
            newest = max((mark for mark in marks if mark.state is SigningKeyState.ACTIVE), key=_age, default=None)
            if newest is not None and newest.char == entry.char:
                return newest
            mark = SigningKeyRecord(entry.char, entry.fingerprint, SigningKeyState.ACTIVE, _after(marks, at))
            await rows.put_signing_key(mark)
            await rows.append(doer.did("keyring.activated", at, char=mark.char, fingerprint=mark.fingerprint))
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

    async def root_keys(self) -> list[KeyRecord]:
        """Find the keys that can do everything and carry no retired entry; at most `_MOST_ROOTS` are looked at.

        Which entry a key carries the audit log tells: what issues a key also MACs its first event.
        """
        at = self._now()
        retired = {mark.char for mark in await self.marks() if mark.state is SigningKeyState.RETIRED}
        query = KeyQuery(team=None, now=at, key_type=ADMIN, permission="*", limit=_MOST_ROOTS)
        roots = [view.record for view in await self._store.views(query) if is_root(view.record, at)]
        return [root for root in roots if await self._issued_with(root.id) not in retired]

    async def _issued_with(self, key_id: str) -> str | None:
        first = await self._store.events(EventQuery(key=key_id, limit=1, oldest_first=True))
        return first[0].key_char if first else None

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
            ended = replace(mark, state=state)
            await rows.put_signing_key(ended)
            await rows.append(doer.did(f"keyring.{state}", at, char=char, fingerprint=mark.fingerprint))
            return ended

        return await self._store.change(work)


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
