"""Creating a key: check the request, issue the key, then check again in the transaction that stores it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from keyfob.errors import KeyTypeTaken, NotFound, OwnKeysOnly, PolicyViolation
from keyfob.keys.format import new_key_id
from keyfob.keys.record import KeyRecord
from keyfob.management.actor import confirmed
from keyfob.management.audited_state import AFTER, GONE, state_of_key
from keyfob.management.escalation import check_escalation, check_limits, require_root_key
from keyfob.management.idempotency import UnderWay
from keyfob.management.key_descriptions import description_of, written
from keyfob.management.key_drafts import Absent, accepted, copy_of, successor_of
from keyfob.management.key_issuer import PendingKey
from keyfob.management.key_limits import check_new_limits
from keyfob.management.key_replacement import check_replaceable, replaced_record, rivals_of
from keyfob.management.owners import with_new_owner
from keyfob.policy.key_types import ADMIN
from keyfob.policy.limits import PlanLimits
from keyfob.store.contract.idempotency import IdempotencyRecord
from keyfob.store.contract.key_store import KeyView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from keyfob.keys.record import Team
    from keyfob.management.actor import Actor
    from keyfob.management.authority import RoleAuthority
    from keyfob.management.handover_link import HandoverLink, Offer
    from keyfob.management.idempotency import IdempotencyKey
    from keyfob.management.key_drafts import Accepted, KeyDraft
    from keyfob.management.key_issuer import IssuedKey, KeyIssuer
    from keyfob.management.key_replacement import Replacement
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction


_OWN_LIMITS = frozenset({"limits", "quota"})


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key. *secret* is its whole text, here and never again; None when this is the answer of an earlier call."""

    view: KeyView
    secret: str | None = field(repr=False)
    replayed: bool = False
    replaced: KeyRecord | None = None  # the key whose place it took, as it is now
    link: HandoverLink | None = None  # what to send to the person for whom its secret is made

    @property
    def key(self) -> KeyRecord:
        """What is stored of it."""
        return self.view.record


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """What is to be made: *draft*, or else a copy of the key *source* with *overrides*, or its replacement."""

    team: str
    actor: Actor
    draft: KeyDraft | None = None
    source: str | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    replace: bool = False
    idempotency: IdempotencyKey | None = None
    replacement: Replacement | None = None  # what becomes of *source*, where the new key takes its place
    offer: Offer | None = None  # the link with which its secret is made later

    @property
    def needed(self) -> tuple[str, ...]:
        """The permissions that the actor must hold."""
        return ("keys:write", "keys:delete") if self.replace else ("keys:write",)

    @property
    def limits_are_given(self) -> bool:
        """Whether the caller names limits, which not everybody may."""
        return bool(self.draft and (self.draft.limits or self.draft.quota)) or not _OWN_LIMITS.isdisjoint(
            self.overrides
        )


class KeyCreator:
    """Makes keys. Argon2id runs between the two judgements, so that no transaction waits for it."""

    def __init__(
        self,
        store: KeyStore,
        issue: KeyIssuer,
        catalogue: Catalogue,
        now: Callable[[], datetime],
        authority: RoleAuthority | None = None,
    ) -> None:
        self._authority = authority
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
            issued = PendingKey(new_key_id()) if order.offer else await self._issue.issue(wanted.key_type)
            made = await self._store.change(lambda rows: self._keep(rows, order, issued))
        if isinstance(made, str):
            return await self._again(order.team, made)
        record, replaced = made
        link = order.offer.link(record) if order.offer else None
        return CreatedKey(KeyView(record, last_used=None), issued.text, replaced=replaced, link=link)

    async def _keep(
        self, rows: Transaction, order: CreateRequest, issued: IssuedKey | PendingKey
    ) -> tuple[KeyRecord, KeyRecord | None] | str:
        """Add the key, or give the id of the one that another process made for the same request meanwhile."""
        at = self._now()
        actor = await confirmed(order.actor, rows, *order.needed, at=at)
        if earlier := await self._made_before(order, rows.idempotency_record):
            return earlier
        team = await _seen(order, actor, rows.team)
        source = await rows.key(order.source) if order.source else None
        wanted = await self._judged(order, actor, team, rows.key, at)
        record = _record(wanted, issued, team, order, at=at, source=source)
        if order.draft is not None and not isinstance(order.draft.owner, Absent):
            chosen = replace(record, owner_id=order.draft.owner)
            record = await with_new_owner(rows, record, chosen, self._authority, actor)
        erased = await self._make_room(rows, record, order, actor, at)
        replaced = await self._end(rows, source, record, order, at) if source and order.replacement else None
        await rows.add_key(record, issued.secret)
        if order.offer:
            await order.offer.save(rows, record, actor, at)
        await require_root_key(rows, *erased, *([source] if source and replaced else []), at=at)
        action = "key.duplicated" if record.duplicated_from else "key.created"
        origin = {name: told for name in ("duplicated_from", "replaces") if (told := getattr(record, name))}
        await rows.append(actor.did(action, at, team=team.id, key_id=record.id, **description_of(record), **origin))
        if order.idempotency:
            what = IdempotencyRecord(order.idempotency.body_digest, record.id, at)
            await rows.save_idempotency_record(order.idempotency.scope, what)
        revision = await rows.next_revision()
        return replace(record, revision=revision), replace(replaced, revision=revision) if replaced else None

    async def _end(
        self, rows: Transaction, source: KeyRecord, record: KeyRecord, order: CreateRequest, at: datetime
    ) -> KeyRecord | None:
        """Let *source* end, now that *record* takes its place."""
        if order.replacement is None:
            return None
        order.replacement.check_precondition(source.revision)  # after what fails without it, too
        replaced = replaced_record(source, record.id, order.replacement, at)
        await rows.put_key(replaced)
        told = {"replaced_by": record.id, "ends_at": written(replaced.expires_at), AFTER: state_of_key(replaced)}
        doer = order.actor
        await rows.append(doer.did("key.rotated", at, team=source.team, key_id=source.id, key=source.name, **told))
        return replaced

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
            if source is None or source.is_deleted or source.team != team.id or not actor.may_see_key(source):
                raise NotFound("there is no such key")
            if order.replacement is None:
                draft = copy_of(source, order.overrides, now=at)
            else:
                check_replaceable(source, self._catalogue, at)
                draft = successor_of(source, order.overrides, now=at)
            if "limits" not in order.overrides:  # what the configuration has lost stays behind
                draft = replace(draft, limits=tuple(name for name in draft.limits if name in self._catalogue.limits))
        if not actor.makes_admin_keys and draft.key_type == ADMIN:
            raise OwnKeysOnly("your role makes no admin keys")
        wanted = accepted(draft, plan=team.plan, catalogue=self._catalogue, now=at)
        check_escalation(actor, wanted.permissions, self._catalogue.key_types[wanted.key_type])
        check_limits(actor, wanted.expires_at, wanted.ip_allow)
        if order.limits_are_given:
            actor.demand("limits:write")
        if order.limits_are_given or ((wanted.limits or wanted.quota) and order.replacement is None):
            usual = self._catalogue.limits_of(team.plan, wanted.key_type) or PlanLimits()
            check_new_limits(actor, usual, wanted, self._catalogue)
        return wanted

    async def _make_room(
        self, rows: Transaction, record: KeyRecord, order: CreateRequest, actor: Actor, at: datetime
    ) -> list[KeyRecord]:
        """Take away the keys that *record* replaces, and say which."""
        key_type = self._catalogue.key_types[record.key_type]
        most = key_type.per_team
        if most is None:
            return []
        if most > 1:
            if await rows.count_live_keys(record.team, record.key_type) - bool(order.replacement) >= most:
                raise PolicyViolation(("/type", f"A team can have at most {most:,} keys of the type {key_type.label}"))
            return []
        replacing = order.source if order.replacement else None
        rivals = rivals_of(await rows.live_keys(record.team, record.key_type), replacing, at)
        if actor.own_keys_only and any(rival.owner_id != actor.id for rival in rivals):
            raise KeyTypeTaken(f"the team has its {key_type.label} already, and it is not yours to replace")
        if rivals and not order.replace:
            raise KeyTypeTaken(_taken(key_type.label, is_replacement=order.replacement is not None))
        for rival in rivals:
            await rows.erase_key(rival.id, at)
            detail = {"name": rival.name, "type": rival.key_type, "replaced_by": record.id, AFTER: dict(GONE)}
            await rows.append(order.actor.did("key.replaced", at, team=rival.team, key_id=rival.id, **detail))
        return rivals

    async def _made_before(
        self, order: CreateRequest, idempotency_record: Callable[[str], Awaitable[IdempotencyRecord | None]]
    ) -> str | None:
        key = order.idempotency
        return key.answered_by(await idempotency_record(key.scope), self._now()) if key else None

    async def _again(self, team_id: str, key_id: str) -> CreatedKey:
        view = await self._store.view(key_id)
        if view is None or view.record.team != team_id:
            raise NotFound("the key that this request made was deleted since")
        replaced = await self._store.view(view.record.replaces) if view.record.replaces else None
        return CreatedKey(view, secret=None, replayed=True, replaced=replaced.record if replaced else None)

    async def _view_of_source(self, key_id: str) -> KeyRecord | None:
        view = await self._store.view(key_id)
        return view.record if view else None


async def _seen(order: CreateRequest, actor: Actor, read: Callable[[str], Awaitable[Team | None]]) -> Team:
    """Read the team. Teams the actor cannot see are reported as not found."""
    team = await read(order.team) if actor.may_see(order.team) else None
    if team is None:
        raise NotFound("there is no such team")
    return team


def _taken(label: str, *, is_replacement: bool) -> str:
    if is_replacement:
        return f"the key that this {label} replaced still lives; delete it first"
    return f"the team has its {label} already; delete it first, or replace it"


def _record(
    wanted: Accepted,
    issued: IssuedKey | PendingKey,
    team: Team,
    order: CreateRequest,
    *,
    at: datetime,
    source: KeyRecord | None,
) -> KeyRecord:
    """Make the new key's record. A copy has everything of its *source* but what is its own."""
    own = {
        "id": issued.key_id,
        "key_type": wanted.key_type,
        "team": team.id,
        "plan": team.plan,
        "name": wanted.name,
        "permissions": wanted.permissions,
        "created_at": at,
        "created_by": order.actor.as_creator(),
        "description": wanted.description,
        "ip_allow": wanted.ip_allow,
        "expires_at": wanted.expires_at,
        "metadata": wanted.metadata,
        "external_id": wanted.external_id,
        "limits": wanted.limits,
        "limits_raised": source.limits_raised if source and order.replacement else None,
        "quota": wanted.quota,
        "quota_extra": source.quota_extra if source and order.replacement else None,
        "limits_id": source.limits_id or source.id if source and order.replacement else None,
        "key_char": issued.key_char,
        "owner_id": source.owner_id if source and order.replacement else order.actor.owner_of_new_keys,
        "owner_name": None,
        "duplicated_from": None if order.replacement else order.source,
        "replaces": order.source if order.replacement else None,
        "pending_until": order.offer.ends(at) if order.offer else None,
    }
    if source is None:
        return KeyRecord(**own)  # type: ignore[arg-type]
    life = {"disabled_at": None, "deleted_at": None, "replaced_by": None, "replaced_at": None}
    return replace(source, **own, **life)  # type: ignore[arg-type]
