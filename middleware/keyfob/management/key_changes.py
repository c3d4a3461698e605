"""What a change to a key comes to: what callers are told of it, and what the audit log is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyfob.errors import NotFound
from keyfob.management.audited_state import AFTER, GONE, state_of_key
from keyfob.management.key_descriptions import difference

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.propagation.acknowledgements import Answer
    from keyfob.store.contract.key_store import KeyView
    from keyfob.store.contract.transaction import Transaction


Precondition = Callable[[int], None]
"""Raises PreconditionFailed for a revision of a key that must not be changed. Asked in the transaction, last."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A key after it was switched off or on, and when the last worker that serves it knows."""

    view: KeyView
    effective_by: datetime
    is_immediate: bool = False  # no worker acts on what was before any more


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the workers said to a change, and since when none of them acts on what was before."""

    workers: tuple[Answer, ...]
    effective_at: datetime


async def still_there(rows: Transaction, key_id: str, actor: Actor) -> KeyRecord:
    """Read a key that *actor* can see. Raises NotFound for one that is deleted meanwhile."""
    record = await rows.key(key_id)
    if record is None or record.is_deleted or not actor.may_see_key(record):
        raise NotFound("there is no such key")
    return record


async def put_changed(
    rows: Transaction, before: KeyRecord, after: KeyRecord, actor: Actor, *, at: datetime, reason: str | None = None
) -> None:
    """Write *after*, and the audit event that tells it from *before*."""
    await rows.put_key(after)
    named: dict[str, object] = {"key": after.name} if before.name == after.name else {}
    detail = {**named, **difference(before, after), **_because(reason), AFTER: state_of_key(after)}
    await rows.append(actor.did(_action(before, after), at, team=after.team, key_id=after.id, **detail))


async def erase(rows: Transaction, before: KeyRecord, actor: Actor, *, at: datetime, reason: str | None = None) -> None:
    """Leave a tombstone of the key, and say so in the audit log."""
    await rows.erase_key(before.id, at)
    detail = {"name": before.name, "type": before.key_type, **_because(reason), AFTER: dict(GONE)}
    await rows.append(actor.did("key.deleted", at, team=before.team, key_id=before.id, **detail))


def _because(reason: str | None) -> dict[str, object]:
    """The member of an event's detail that gives the *reason*, if there is one."""
    return {} if reason is None else {"reason": reason}


def _action(before: KeyRecord, after: KeyRecord) -> str:
    if before.is_disabled is after.is_disabled:
        return "key.updated"
    return "key.disabled" if after.is_disabled else "key.enabled"
