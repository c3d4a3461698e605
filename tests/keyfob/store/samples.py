"""Keys, teams and moments that the tests of every store share."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from keyfob.audit import Event
from keyfob.keyring.keyring import SigningKey
from keyfob.keys.record import Creator, KeyRecord, StoredSecret, Team
from keyfob.store.contract.key_store import KeyQuery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfob.store.contract.idempotency import IdempotencyRecord
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

NOON = datetime(2031, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
ELEVEN = NOON - timedelta(hours=1)
TODAY = date(2031, 5, 4)
SIGNING_KEY = SigningKey("a", bytes(range(32)), ELEVEN)
TEAM = Team("ours", "Our team", "enterprise", ELEVEN)
SECRET = StoredSecret("$argon2id$first", b"digest of the first")
KEY = KeyRecord(
    id="7Qx2mB9tKd03LpWz",
    name="Build server",
    key_type="api",
    team=TEAM.id,
    plan=TEAM.plan,
    permissions=("items:read", "items:write"),
    created_at=ELEVEN,
    created_by=Creator("key", "adminadminadmin0", "Ada"),
    description="Reads items.",
    ip_allow=("10.0.0.0/8",),
    duplicated_from="another000000000",
    expires_at=NOON + timedelta(days=90),
)


def key(number: int, **changes: object) -> KeyRecord:
    """The key of that number: like KEY, but for its id, its name, its age and *changes*."""
    made = replace(
        KEY,
        id=f"{number:016d}",
        name=f"Key {number:03d}",
        created_at=ELEVEN + timedelta(seconds=number),
        expires_at=None,
    )
    return replace(made, **changes)  # type: ignore[arg-type] # the names are those of KeyRecord


def event(action: str = "key.created", **changes: object) -> Event:
    """Something that Ada did at noon."""
    happened = Event(NOON, "key", "adminadminadmin0", "Ada", "192.0.2.7", action, TEAM.id, KEY.id, {"name": "Ü"})
    return replace(happened, **changes)  # type: ignore[arg-type] # the names are those of Event


def adding(*records: KeyRecord, team: Team = TEAM) -> Callable[[Transaction], Awaitable[None]]:
    """A change that makes *team* and puts the *records* into it."""

    async def work(transaction: Transaction) -> None:
        await transaction.put_team(team)
        for record in records:
            await transaction.add_key(record, SECRET)

    return work


def putting(record: KeyRecord) -> Callable[[Transaction], Awaitable[None]]:
    """A change of one key's row."""

    async def work(transaction: Transaction) -> None:
        await transaction.put_key(record)

    return work


def erasing(key_id: str) -> Callable[[Transaction], Awaitable[None]]:
    """A change that deletes a key."""

    async def work(transaction: Transaction) -> None:
        await transaction.erase_key(key_id, NOON)

    return work


def appending(*happened: Event) -> Callable[[Transaction], Awaitable[None]]:
    """A change that only writes to the audit log."""

    async def work(transaction: Transaction) -> None:
        for one in happened:
            await transaction.append(one)

    return work


def remembering(scope: str, what: IdempotencyRecord) -> Callable[[Transaction], Awaitable[None]]:
    """A change that keeps an idempotency record."""

    async def work(transaction: Transaction) -> None:
        await transaction.save_idempotency_record(scope, what)

    return work


async def revision_of(store: KeyStore) -> int:
    """The revision that the store is at."""
    return (await store.changes(None)).revision


async def listed(store: KeyStore, **query: object) -> list[str]:
    """The ids that a listing of the team shows, in its order."""
    asked = KeyQuery(**{"team": TEAM.id, "now": NOON, **query})  # type: ignore[arg-type] # the names are KeyQuery's
    return [view.record.id for view in await store.views(asked)]
