"""Creating a key: check the request, issue the key, then check again in the transaction that stores it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from keyfob.errors import KeyTypeTaken, NotFound
from keyfob.keys.record import KeyRecord
from keyfob.management.actor import confirmed
from keyfob.management.audited_state import AFTER, GONE
from keyfob.management.escalation import check_escalation, check_limits, require_root_key
from keyfob.management.idempotency import UnderWay
from keyfob.management.key_drafts import accepted, copy_of, description_of
from keyfob.store.contract import IdempotencyRecord, KeyView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from keyfob.keys.record import Team
    from keyfob.management.actor import Actor
    from keyfob.management.idempotency import IdempotencyKey
    from keyfob.management.key_drafts import Accepted, KeyDraft
    from keyfob.management.key_issuer import IssuedKey, KeyIssuer
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract import KeyStore
    from keyfob.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key. *secret* is its whole text, here and never again; None when this is the answer of an earlier call."""

    view: KeyView
    secret: str | None = field(repr=False)
    replayed: bool = False

    @property
    def key(self) -> KeyRecord:
        """What is stored of it."""
        return self.view.record


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """What is to be made: *draft*, or else a copy of the key *source* with *overrides*."""

    team: str
    actor: Actor
    draft: KeyDraft | None = None
    source: str | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    replace: bool = False
    idempotency: IdempotencyKey | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """The permissions that the actor must hold."""
        return ("keys:write", "keys:delete") if self.replace else ("keys:write",)


class KeyCreator:
    """Makes keys. Argon2id runs between the two judgements, so that no transaction waits for it."""

    def __init__(self, store: KeyStore, issue: KeyIssuer, catalogue: Catalogue, now: Callable[[], datetime]) -> None:
        self._store = store
        self._issue = issue
        self._catalogue = catalogue
        self._now = now
        self._under_way = UnderWay()

    async def make(self, order: CreateRequest) -> CreatedKey:
        """Make the key that *order* asks for, or find the one that it made before."""
        order.actor.demand(*order.needed)
        team = await _seen(order, order.actor, self._store.team)
        with self._under_way.claim(order.idempotency):
            if earlier := await self._made_before(order, self._store.idempotency_record):
                return await self._again(order.team, earlier)
            wanted = await self._judged(order, order.actor, team, self._view_of_source, self._now())
            issued = await self._issue.issue(wanted.key_type)
            made = await self._store.change(lambda rows: self._keep(rows, order, issued))
        if isinstance(made, str):
            return await self._again(order.team, made)
        return CreatedKey(KeyView(made, last_used=None), issued.text)

    async def _keep(self, rows: Transaction, order: CreateRequest, issued: IssuedKey) -> KeyRecord | str:
        """Add the key, or give the id of the one that another process made for the same request meanwhile."""
        at = self._now()
        actor = await confirmed(order.actor, rows, *order.needed, at=at)
        if earlier := await self._made_before(order, rows.idempotency_record):
            return earlier
        team = await _seen(order, actor, rows.team)
        wanted = await self._judged(order, actor, team, rows.key, at)
        record = _record(wanted, issued, team, order, at)
        replaced = await self._make_room(rows, record, order, at)
        await rows.add_key(record, issued.secret)
        await require_root_key(rows, *replaced, at=at)
        action = "key.duplicated" if order.source else "key.created"
        copied = {"duplicated_from": order.source} if order.source else {}
        await rows.append(actor.did(action, at, team=team.id, key_id=record.id, **description_of(record), **copied))
        if order.idempotency:
            what = IdempotencyRecord(order.idempotency.body_digest, record.id, at)
            await rows.save_idempotency_record(order.idempotency.scope, what)
        return replace(record, revision=await rows.next_revision())

    async def _judged(
        self,
        order: CreateRequest,
        actor: Actor,
        team: Team,
        read: Callable[[str], Awaitable[KeyRecord | None]],
        at: datetime,
    ) -> Accepted:
        draft = order.draft
        if draft is None:
            source = await read(order.source or "")
            if source is None or source.is_deleted or source.team != team.id:
                raise NotFound("there is no such key")
            draft = copy_of(source, order.overrides, now=at)
        wanted = accepted(draft, plan=team.plan, catalogue=self._catalogue, now=at)
        check_escalation(actor, wanted.permissions, self._catalogue.key_types[wanted.key_type])
        check_limits(actor, wanted.expires_at, wanted.ip_allow)
        return wanted

    async def _make_room(
        self, rows: Transaction, record: KeyRecord, order: CreateRequest, at: datetime
    ) -> list[KeyRecord]:
        """Take away the keys that *record* replaces, and say which."""
        most = self._catalogue.key_types[record.key_type].per_team
        rivals = [] if most is None else await rows.live_keys(record.team, record.key_type)
        replaced = rivals[: len(rivals) - (most or 0) + 1] if rivals else []
        if replaced and not order.replace:
            label = self._catalogue.key_types[record.key_type].label
            raise KeyTypeTaken(f"the team has its {label} already; delete it first, or replace it")
        for rival in replaced:
            await rows.erase_key(rival.id, at)
            detail = {"name": rival.name, "type": rival.key_type, "replaced_by": record.id, AFTER: dict(GONE)}
            await rows.append(order.actor.did("key.replaced", at, team=rival.team, key_id=rival.id, **detail))
        return replaced

    async def _made_before(
        self, order: CreateRequest, idempotency_record: Callable[[str], Awaitable[IdempotencyRecord | None]]
    ) -> str | None:
        key = order.idempotency
        return key.answered_by(await idempotency_record(key.scope), self._now()) if key else None

    async def _again(self, team_id: str, key_id: str) -> CreatedKey:
        view = await self._store.view(key_id)
        if view is None or view.record.team != team_id:
            raise NotFound("the key that this request made was deleted since")
        return CreatedKey(view, secret=None, replayed=True)

    async def _view_of_source(self, key_id: str) -> KeyRecord | None:
        view = await self._store.view(key_id)
        return view.record if view else None


async def _seen(order: CreateRequest, actor: Actor, read: Callable[[str], Awaitable[Team | None]]) -> Team:
    """Read the team. Teams the actor cannot see are reported as not found."""
    team = await read(order.team) if actor.may_see(order.team) else None
    if team is None:
        raise NotFound("there is no such team")
    return team


def _record(wanted: Accepted, issued: IssuedKey, team: Team, order: CreateRequest, at: datetime) -> KeyRecord:
    return KeyRecord(
        id=issued.key_id,
        name=wanted.name,
        key_type=wanted.key_type,
        team=team.id,
        plan=team.plan,
        permissions=wanted.permissions,
        created_at=at,
        created_by=order.actor.as_creator(),
        description=wanted.description,
        ip_allow=wanted.ip_allow,
        duplicated_from=order.source,
        expires_at=wanted.expires_at,
        key_char=issued.key_char,
    )
