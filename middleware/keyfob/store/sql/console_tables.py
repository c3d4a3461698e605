"""The console's tables, on any engine: both use the same statement names and values.

Nothing here changes a key, so no revision is taken.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

from keyfob.store.contract.console import Session, SignInLink, UsedDraft
from keyfob.store.sql import rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from keyfob.audit import Event
    from keyfob.store.contract.transaction import Transaction

T = TypeVar("T")
_DRAFTS_LAST: Final = timedelta(days=30)  # of forms outside a session, with which the others go


class Database(Protocol):
    """The part of the store that this needs."""

    async def change(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run *work* in one transaction."""
        ...

    async def read(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Sequence[Any]]:
        """Run one read-only statement. Raises StoreUnavailable."""
        ...

    async def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Run one small statement in its own transaction. Raises StoreUnavailable."""
        ...


class Named(Protocol):
    """The part of a transaction that this needs: it runs its engine's statements by name."""

    async def run(self, name: str, parameters: Sequence[object] = ()) -> list[Sequence[Any]]:
        """Run the statement *name* and return all its rows."""
        ...


class ConsoleTables:
    """A `keyfob.store.contract.console.ConsoleStore` over *statements*, by name."""

    def __init__(self, database: Database, statements: Mapping[str, str]) -> None:
        self._database = database
        self._statements = statements

    async def session(self, id_hash: bytes) -> Session | None:
        """Read a session, expired or not."""
        found = await self._read("session", (id_hash,))
        return session_of(found[0]) if found else None

    async def add_session(self, session: Session, event: Event) -> bool:
        """Save a session, and *event* in the audit log; False if its key or person has been revoked since.

        Deletes expired sessions.
        """
        began = rows.micros(session.created_at)
        ends = rows.micros(session.expires_at)
        who = (session.id_hash, session.key_id)
        told = (session.person_id, session.browser, session.return_url)
        values = (*who, session.mac, session.ip, began, ends, *told)

        async def work(transaction: Transaction) -> bool:
            if not await _may_begin(transaction, session):  # revoked after the check, and its sessions with it
                return False
            await _run(transaction, ("forget_sessions", (began,)), ("add_session", values))
            await transaction.append(event)
            return True

        return await self._database.change(work)

    async def end_session(self, id_hash: bytes, event: Event | None = None) -> None:
        """Delete a session and its drafts; *event* goes to the audit log if the session still existed."""

        async def work(transaction: Transaction) -> None:
            if await _run(transaction, ("end_session", (id_hash,))) and event is not None:
                await transaction.append(event)

        await self._database.change(work)

    async def sessions_like(self, session: Session) -> list[Session]:
        """The sessions of the key or the person of *session*, expired or not, oldest first."""
        return [session_of(row) for row in await self._read("sessions_of", (session.key_id, session.person_id))]

    async def end_sessions_like(self, session: Session, event: Event) -> int:
        """Delete them all with their drafts, and return how many there were; *event* goes to the audit log."""

        async def work(transaction: Transaction) -> int:
            ended = await _run(transaction, ("end_sessions_of", (session.key_id, session.person_id)))
            await transaction.append(event)
            return len(ended)

        return await self._database.change(work)

    async def note_session_use(self, id_hash: bytes, at: datetime) -> None:
        """Record when the session was last used."""
        await self._database.note(self._statements["note_session_use"], (rows.micros(at), id_hash))

    async def add_link(self, link: SignInLink, event: Event) -> None:
        """Save a link, and *event* in the audit log. Deletes expired links."""

        async def work(transaction: Transaction) -> None:
            await transaction.add_link(link)
            await transaction.append(event)

        await self._database.change(work)

    async def link(self, link_hash: bytes) -> SignInLink | None:
        """Read a link, used, expired or not."""
        found = await self._read("link", (link_hash,))
        return _link(found[0]) if found else None

    async def use_link(self, link_hash: bytes, at: datetime) -> bool:
        """Mark the link as used. False if it was already used, has expired, or does not exist."""
        used = await self._write(("use_link", (rows.micros(at), link_hash, rows.micros(at))))
        return bool(used)

    async def claim_draft(self, token_hash: bytes, session: bytes | None, at: datetime) -> UsedDraft | None:
        """Mark the form as sent. None the first time; afterwards the result of the first time."""
        if session is None:
            await self._write(("forget_drafts", (rows.micros(at - _DRAFTS_LAST),)))
        if await self._write(("claim_draft", (token_hash, session, rows.micros(at), rows.micros(at)))):
            return None
        found = await self._read("draft", (token_hash,))
        return UsedDraft(found[0][0] if found else None)

    async def settle_draft(self, token_hash: bytes, key_id: str | None) -> None:
        """Record the key that the form created; None makes the form usable again, because it created none."""
        if key_id is None:
            await self._write(("give_back_draft", (token_hash,)))
        else:
            await self._write(("settle_draft", (key_id, token_hash)))

    async def blocked_until(self, bucket: str, at: datetime, *, failures: int) -> datetime | None:
        """Until when *bucket* is blocked after *failures* failures; None if it is not."""
        found = await self._read("blocked_until", (bucket, failures, rows.micros(at)))
        return rows.moment(found[0][0]) if found else None

    async def note_failure(self, bucket: str, at: datetime, *, until: datetime, failures: int) -> None:
        """Count one more failure. The first one starts a period that ends at *until*, and so does the *failures*-th."""
        over = ("forget_throttles", (rows.micros(at),))
        await self._write(over, ("note_failure", (bucket, rows.micros(until), failures)))

    async def forget_failures(self, bucket: str) -> None:
        """Reset the count."""
        if await self._read("blocked_until", (bucket, 0, 0)):
            await self._write(("forget_failures", (bucket,)))

    async def uses(self, key_ids: Sequence[str], since: date) -> Mapping[str, Mapping[date, int]]:
        """The number of uses of each key on each day with any use."""
        found: dict[str, dict[date, int]] = {}
        for key_id, day, count in await self._read("uses", (json.dumps(list(key_ids)), since.toordinal())):
            found.setdefault(key_id, {})[date.fromordinal(day)] = count
        return found

    async def holders(self, team: str, owner: str | None = None) -> Mapping[str, int]:
        """The number of the team's keys, or those of *owner*, that hold each pattern; a wildcard counts as itself."""
        found = await self._read("holders", {"team": team, "owner": owner})
        return {row[0]: row[1] for row in found}

    async def _read(self, name: str, parameters: Sequence[object] | Mapping[str, object]) -> list[Sequence[Any]]:
        return await self._database.read(self._statements[name], parameters)

    async def _write(self, *statements: tuple[str, Sequence[object]]) -> list[Sequence[Any]]:
        """Run *statements* in one transaction, and return the result of the last one."""

        async def work(transaction: Transaction) -> list[Sequence[Any]]:
            return await _run(transaction, *statements)

        return await self._database.change(work)


async def _may_begin(transaction: Transaction, session: Session) -> bool:
    """Whether whom *session* is for may still sign in."""
    if session.key_id is not None:
        key = await transaction.key(session.key_id)
        return key is not None and not key.is_deleted and not key.is_disabled
    person = await transaction.person(session.person_id or "")
    return person is not None and person.is_active


async def _run(transaction: Transaction, *statements: tuple[str, Sequence[object]]) -> list[Sequence[Any]]:
    """Run *statements*, and return what the last of them returned."""
    run = cast("Named", transaction).run
    return [await run(name, values) for name, values in statements][-1]


def session_of(row: Sequence[Any]) -> Session:
    """The session in a row of ``session_columns``."""
    last_used_at = None if row[8] is None else rows.moment(row[8])
    times = rows.moment(row[4]), rows.moment(row[5])
    return Session(bytes(row[0]), row[1], bytes(row[2]), row[3], *times, row[6], row[7], last_used_at, row[9])


def _link(row: Sequence[Any]) -> SignInLink:
    used_at = None if row[4] is None else rows.moment(row[4])
    times = rows.moment(row[2]), rows.moment(row[3])
    return SignInLink(bytes(row[0]), row[1], *times, used_at, bytes(row[5]), row[6], row[7])
