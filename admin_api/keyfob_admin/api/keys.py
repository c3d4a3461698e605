"""A team's keys: create, list, read, change, disable, enable, duplicate, delete, and their usage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

import msgspec
from starlette.responses import Response

from keyfob.keys.quota import Every, Quota
from keyfob.management.key_drafts import ABSENT, KeyDraft
from keyfob.management.keys import KeySearch
from keyfob_admin.api.call import REPLAYED, answer
from keyfob_admin.wire import Preconditions, etag, given, or_none, views
from keyfob_admin.wire.key_limits import KeyQuota, LimitsRaised
from keyfob_admin.wire.key_usage import shown_days, shown_rows
from keyfob_admin.wire.requests import (
    CreateKey,
    DisableKeys,
    DisableQuery,
    DuplicateKey,
    Handover,
    KeyFilter,
    ListKeysQuery,
    PatchKey,
    RotateKey,
    UsageQuery,
    Why,
)

if TYPE_CHECKING:
    from keyfob.management.keys import CreatedKey, Precondition
    from keyfob.store.contract.key_store import KeyView
    from keyfob_admin.api.call import Call

KEYS: Final = "/v1/teams/{team}/keys"


async def create(call: Call) -> Response:
    """Create a key, and show its secret this once."""
    sent = call.sent(CreateKey)
    draft = KeyDraft(
        name=sent.name,
        key_type=sent.type,
        permissions=None if sent.permissions is msgspec.UNSET else tuple(sent.permissions),
        description=sent.description,
        expires_at=ABSENT if sent.expires_at is msgspec.UNSET else sent.expires_at,
        ip_allow=tuple(sent.ip_allow),
        metadata={} if sent.metadata is msgspec.UNSET else sent.metadata,
        external_id=sent.external_id,
        limits=tuple(sent.limits),
        quota=None if sent.quota is None else Quota(sent.quota.amount, Every(sent.quota.every)),
    )
    lifecycle, idempotency = call.runtime.lifecycle, call.idempotency(_keys(call))
    if sent.handover is msgspec.UNSET:
        created = await lifecycle.create(
            call.team, draft, actor=call.actor, replace=sent.replace, idempotency=idempotency
        )
        return _reveal(call, created)
    created = await lifecycle.handovers.create(
        call.team,
        draft,
        expires_in=sent.handover.expires_in,
        actor=call.actor,
        replace=sent.replace,
        idempotency=idempotency,
    )
    return _revealed(call, call.shown.offered(created, call.handover_address), replayed=created.replayed)


async def hand_over(call: Call) -> Response:
    """Make another link to a pending key; those before stop working."""
    created = await call.runtime.lifecycle.handovers.renew(
        call.team, call.key_id, expires_in=call.sent(Handover).expires_in, actor=call.actor
    )
    return answer(call.shown.offered(created, call.handover_address), 201)


async def duplicate(call: Call) -> Response:
    """Create a key like another one, with its own secret."""
    idempotency = call.idempotency(f"{_keys(call)}/{call.key_id}/duplicate")
    created = await call.runtime.lifecycle.duplicate(
        call.team, call.key_id, given(call.sent(DuplicateKey)), actor=call.actor, idempotency=idempotency
    )
    return _reveal(call, created)


async def rotate(call: Call) -> Response:
    """Create a key that takes this one's place; with ``wait=all``, respond once every worker knows when that ends."""
    lifecycle = call.runtime.lifecycle
    overrides = given(call.sent(RotateKey))
    overlap = cast("str | None", overrides.pop("overlap"))
    created = await lifecycle.rotate(
        call.team,
        call.key_id,
        overrides,
        overlap=overlap,
        actor=call.actor,
        idempotency=call.idempotency(f"{_keys(call)}/{call.key_id}/rotate"),
        precondition=_precondition(call),
    )
    waits = or_none(call.asked(DisableQuery).wait) is not None and created.replaced is not None
    acknowledged = await lifecycle.acknowledged(await lifecycle.in_force(created.view)) if waits else None
    return _revealed(call, call.shown.rotated(created, acknowledged), replayed=created.replayed)


async def disable_many(call: Call) -> Response:
    """Disable many keys at once: all or none."""
    sent = call.sent(DisableKeys)
    search = None if sent.filter is msgspec.UNSET else _search(call.team, sent.filter)
    views_of = await call.runtime.lifecycle.bulk.run(
        call.team,
        ids=or_none(sent.ids),
        search=search,
        dry_run=sent.dry_run,
        reason=or_none(sent.reason),
        actor=call.actor,
    )
    shown = call.shown
    return answer(views.DisabledKeys([shown.key(view) for view in views_of]))


def _search(team: str, asked: ListKeysQuery | KeyFilter) -> KeySearch:
    """What the filters of a list or of a body look for."""
    never_used = or_none(asked.never_used)
    return KeySearch(
        team=team,
        q=or_none(asked.q) or None,
        state=or_none(asked.state),
        key_type=or_none(asked.type),
        unused_since=or_none(asked.unused_since),
        expires_before=or_none(asked.expires_before),
        expires_after=or_none(asked.expires_after),
        created_by=or_none(asked.created_by),
        owner=or_none(asked.owner),
        external_id=or_none(asked.external_id),
        never_used=never_used in {True, "true"},
    )


async def list_keys(call: Call) -> Response:
    """Show one page of the team's keys."""
    asked = call.asked(ListKeysQuery)
    search = replace(
        _search(call.team, asked),
        order_by=asked.order_by,
        page_size=asked.page_size,
        page_token=asked.page_token or None,
    )
    page = await call.runtime.lifecycle.list_keys(search, actor=call.actor)
    shown = call.shown
    total = msgspec.UNSET if page.total is None else page.total
    return answer(views.KeyPage([shown.key(view) for view in page.items], page.next_token, total))


async def get(call: Call) -> Response:
    """Show one key, or say that it is still what the caller has."""
    view = await call.runtime.lifecycle.get(call.team, call.key_id, actor=call.actor)
    revision = view.record.revision
    preconditions = Preconditions.of(call.request.headers)
    preconditions.check_if_match(revision)
    if preconditions.is_unchanged(revision):
        return Response(status_code=304, headers={"ETag": etag(revision), "Cache-Control": "no-store"})
    return _show(call, view)


def changes_of(sent: PatchKey) -> dict[str, object]:
    """Give the members of a patch that the caller sent, as the management layer takes them."""
    changes = given(sent)
    if isinstance(sent.limits_raised, LimitsRaised):
        changes["limits_raised"] = msgspec.structs.asdict(sent.limits_raised)
    if isinstance(sent.quota, KeyQuota):
        changes["quota"] = msgspec.structs.asdict(sent.quota)
    if "owner" in changes:
        changes["owner"] = msgspec.to_builtins(changes["owner"])
    return changes


async def patch(call: Call) -> Response:
    """Change the members that the caller sent and leave the rest."""
    changes = changes_of(call.sent(PatchKey))
    view = await call.runtime.lifecycle.update(
        call.team, call.key_id, changes, actor=call.actor, precondition=_precondition(call)
    )
    return _show(call, view)


async def disable(call: Call) -> Response:
    """Disable a key; with ``wait=all``, respond once every worker refuses it."""
    lifecycle = call.runtime.lifecycle
    changed = await lifecycle.disable(
        call.team,
        call.key_id,
        actor=call.actor,
        precondition=_precondition(call),
        reason=or_none(call.sent(Why).reason),
    )
    waits = or_none(call.asked(DisableQuery).wait) is not None
    return _changed(call.shown.disabled(changed, await lifecycle.acknowledged(changed) if waits else None))


async def enable(call: Call) -> Response:
    """Enable a key again."""
    lifecycle = call.runtime.lifecycle
    changed = await lifecycle.enable(call.team, call.key_id, actor=call.actor, precondition=_precondition(call))
    return _changed(call.shown.changed(changed.view, changed.effective_by))


async def delete(call: Call) -> Response:
    """Delete a disabled key for ever."""
    await call.runtime.lifecycle.delete(
        call.team,
        call.key_id,
        actor=call.actor,
        precondition=_precondition(call),
        reason=or_none(call.sent(Why).reason),
    )
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def usage(call: Call) -> Response:
    """Show how often a key was admitted and denied, day by day or by what `by` names."""
    asked, usage = call.asked(UsageQuery), call.runtime.lifecycle.usage
    if asked.by is msgspec.UNSET:
        return answer(shown_days(await usage.days(call.team, call.key_id, asked.days, actor=call.actor)))
    rows = await usage.rows(call.team, call.key_id, asked.by, asked.days, actor=call.actor)
    return answer(shown_rows(asked.by, rows))


def _show(call: Call, view: KeyView) -> Response:
    return answer(call.shown.key(view), headers={"ETag": etag(view.record.revision)})


def _changed(shown: views.ChangedKey) -> Response:
    return answer(shown, headers={"ETag": shown.etag})


def _reveal(call: Call, created: CreatedKey) -> Response:
    """Answer 201 with the secret, or 200 without it if this was done before under the same Idempotency-Key."""
    return _revealed(call, views.NewKey(call.shown.key(created.view), created.secret), replayed=created.replayed)


def _revealed(call: Call, shown: views.NewKey | views.RotatedKey, *, replayed: bool) -> Response:
    if replayed:
        return answer(shown, headers=REPLAYED)
    return answer(shown, 201, {"Location": call.address_of(f"{_keys(call)}/{shown.key.id}")})


def _keys(call: Call) -> str:
    return KEYS.format(team=call.team)


def _precondition(call: Call) -> Precondition:
    """What If-Match and If-None-Match ask of the key's revision."""
    return Preconditions.of(call.request.headers).check
