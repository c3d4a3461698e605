"""Importing keys that another product issued: they go on working as their holders write them.

Each key is judged by itself, and a bad one keeps no other from being imported. What was imported before is left alone,
so that an import can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from keyfob.errors import Invalid, PlanRequired
from keyfob.keys.format import new_key_id
from keyfob.keys.record import KeyRecord, StoredSecret
from keyfob.management.actor import confirmed
from keyfob.management.key_descriptions import description_of
from keyfob.management.key_drafts import KeyDraft, accepted
from keyfob.management.key_policy import violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from keyfob.keys.foreign_hashes import ForeignHash
    from keyfob.keys.record import Team
    from keyfob.management.actor import Actor
    from keyfob.management.key_drafts import Accepted
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

TYPE = "api"
_AT_ONCE = 200  # keys in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """One key of an export. *where* names it in messages; *lookup* is what its row is found by."""

    where: str
    name: str
    team: str
    permissions: tuple[str, ...]
    lookup: str
    hash: ForeignHash = field(repr=False)
    created_at: datetime | None = None
    expires_at: datetime | None = None
    description: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one key. *error* says why it was not imported; *breaks* which policies it does not meet."""

    key: ForeignKey
    record: KeyRecord | None = None
    error: str | None = None
    is_known: bool = False  # it was imported before
    breaks: tuple[str, ...] = ()


class KeyImporter:
    """Imports keys."""

    def __init__(self, store: KeyStore, catalogue: Catalogue, now: Callable[[], datetime]) -> None:
        self._store = store
        self._catalogue = catalogue
        # What configuration demands of new keys must not cut off customers: it is reported, not refused.
        api = replace(
            catalogue.key_types[TYPE],
            per_team=None,
            expiry_required=False,
            default_lifetime=None,
            max_lifetime=None,
            ip_allow_required=False,
        )
        self._lenient = replace(catalogue, key_types={**catalogue.key_types, TYPE: api})
        self._now = now

    async def run(self, keys: Sequence[ForeignKey], *, actor: Actor, dry_run: bool = False) -> list[Imported]:
        """Import *keys*, or with *dry_run* only say what would become of each. Raises StoreUnavailable."""
        outcomes: list[Imported] = []
        seen: set[str] = set()
        for start in range(0, len(keys), _AT_ONCE):
            work = partial(self._keep, keys[start : start + _AT_ONCE], actor, seen, dry_run=dry_run)
            try:
                outcomes += await self._store.change(work)
            except _DryRunError as over:
                outcomes += over.outcomes
        return outcomes

    async def _keep(
        self, keys: Sequence[ForeignKey], actor: Actor, seen: set[str], rows: Transaction, *, dry_run: bool
    ) -> list[Imported]:
        at = self._now()
        doer = await confirmed(actor, rows, "keys:write", at=at)
        known = await self._store.foreign.known(rows, [key.lookup for key in keys])
        outcomes = []
        for key in keys:
            if key.lookup in seen:
                outcomes.append(Imported(key, error="the same key stands in this file before"))
                continue
            seen.add(key.lookup)
            if key.lookup in known:
                outcomes.append(Imported(key, is_known=True))
                continue
            outcomes.append(await self._keep_one(rows, key, doer, at))
        if dry_run:
            raise _DryRunError(outcomes)
        return outcomes

    async def _keep_one(self, rows: Transaction, key: ForeignKey, actor: Actor, at: datetime) -> Imported:
        team = await rows.team(key.team) if actor.may_see(key.team) else None
        if team is None:
            return Imported(key, error=f"there is no team {key.team[:60]!r}")
        try:
            wanted = accepted(_draft(key), plan=team.plan, catalogue=self._lenient, now=at)
        except (Invalid, PlanRequired) as refused:
            return Imported(key, error="; ".join(_sentences(refused)))
        record = _record(key, wanted, team, actor, at)
        await rows.add_key(record, StoredSecret(key.hash.stored))
        await self._store.foreign.add(rows, key.lookup, record.id)
        await rows.append(actor.did("key.imported", at, team=team.id, key_id=record.id, **description_of(record)))
        return Imported(key, record, breaks=self._broken(record))

    def _broken(self, record: KeyRecord) -> tuple[str, ...]:
        kind = self._catalogue.key_types[TYPE]
        dates = {"expires_at": record.expires_at, "created_at": record.created_at}
        return tuple(why for _, why in violations(kind, ip_allow=record.ip_allow, **dates))  # type: ignore[arg-type]


class _DryRunError(Exception):
    """Rolls a transaction back whose outcomes are all that was asked for."""

    def __init__(self, outcomes: list[Imported]) -> None:
        super().__init__()
        self.outcomes = outcomes


def _draft(key: ForeignKey) -> KeyDraft:
    return KeyDraft(
        name=key.name,
        key_type=TYPE,
        permissions=key.permissions,
        description=key.description,
        expires_at=key.expires_at,
        external_id=key.external_id,
    )


def _record(key: ForeignKey, wanted: Accepted, team: Team, actor: Actor, at: datetime) -> KeyRecord:
    return KeyRecord(
        id=new_key_id(),
        name=wanted.name,
        key_type=TYPE,
        team=team.id,
        plan=team.plan,
        permissions=wanted.permissions,
        created_at=min(key.created_at or at, at),
        created_by=actor.as_creator(),
        description=wanted.description,
        expires_at=wanted.expires_at,
        external_id=wanted.external_id,
    )


def _sentences(refused: Invalid | PlanRequired) -> Iterator[str]:
    if isinstance(refused, Invalid):
        yield from (detail for _, detail in refused.errors)
    else:
        yield str(refused)
