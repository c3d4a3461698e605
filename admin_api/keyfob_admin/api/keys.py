"""A team's keys: create, list, read, change, disable, enable, duplicate, delete, and their usage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response

from keyfob.management.idempotency import IdempotencyKey
from keyfob.management.key_drafts import KeyDraft
from keyfob.management.keys import KeySearch
from keyfob_admin.api.call import answer
from keyfob_admin.wire import Preconditions, etag, given, idempotency_key, or_none, views
from keyfob_admin.wire.presenters import shown_day
from keyfob_admin.wire.requests import CreateKey, DisableQuery, DuplicateKey, ListKeysQuery, PatchKey, UsageQuery

if TYPE_CHECKING:
    from keyfob.management.keys import CreatedKey, Precondition
    from keyfob.store.contract import KeyView
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
        expires_at=sent.expires_at,
        ip_allow=tuple(sent.ip_allow),
    )
    created = await call.runtime.lifecycle.create(
        call.team, draft, actor=call.actor, replace=sent.replace, idempotency=_idempotency(call, _keys(call))
    )
    return _reveal(call, created)


async def duplicate(call: Call) -> Response:
    """Create a key like another one, with its own secret."""
    idempotency = _idempotency(call, f"{_keys(call)}/{call.key_id}/duplicate")
    created = await call.runtime.lifecycle.duplicate(
        call.team, call.key_id, given(call.sent(DuplicateKey)), actor=call.actor, idempotency=idempotency
    )
    return _reveal(call, created)


async def list_keys(call: Call) -> Response:
    """Show one page of the team's keys."""
    asked = call.asked(ListKeysQuery)
    search = KeySearch(
        team=call.team,
        q=asked.q or None,
        state=or_none(asked.state),
        key_type=or_none(asked.type),
        unused_since=or_none(asked.unused_since),
        order_by=asked.order_by,
        page_size=asked.page_size,
        page_token=asked.page_token or None,
    )
    page = await call.runtime.lifecycle.list_keys(search, actor=call.actor)
    shown = call.shown
    return answer(views.KeyPage([shown.key(view) for view in page.items], page.next_token))


async def get(call: Call) -> Response:
    """Show one key, or say that it is still what the caller has."""
    view = await call.runtime.lifecycle.get(call.team, call.key_id, actor=call.actor)
    revision = view.record.revision
    preconditions = Preconditions.of(call.request.headers)
    preconditions.check_if_match(revision)
    if preconditions.is_unchanged(revision):
        return Response(status_code=304, headers={"ETag": etag(revision), "Cache-Control": "no-store"})
    return _show(call, view)


async def patch(call: Call) -> Response:
    """Change the members that the caller sent and leave the rest."""
    changes = given(call.sent(PatchKey))
    view = await call.runtime.lifecycle.update(
        call.team, call.key_id, changes, actor=call.actor, precondition=_precondition(call)
    )
    return _show(call, view)


async def disable(call: Call) -> Response:
    """Disable a key; with ``wait=all``, respond once every worker refuses it."""
    lifecycle = call.runtime.lifecycle
    changed = await lifecycle.disable(call.team, call.key_id, actor=call.actor, precondition=_precondition(call))
    waits = or_none(call.asked(DisableQuery).wait) is not None
    return _changed(call.shown.disabled(changed, await lifecycle.acknowledged(changed) if waits else None))


async def enable(call: Call) -> Response:
    """Enable a key again."""
    lifecycle = call.runtime.lifecycle
    changed = await lifecycle.enable(call.team, call.key_id, actor=call.actor, precondition=_precondition(call))
    return _changed(call.shown.changed(changed.view, changed.effective_by))


async def delete(call: Call) -> Response:
    """Delete a disabled key for ever."""
    lifecycle = call.runtime.lifecycle
    await lifecycle.delete(call.team, call.key_id, actor=call.actor, precondition=_precondition(call))
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def usage(call: Call) -> Response:
    """Show how often a key was admitted and denied, day by day."""
    days = await call.runtime.lifecycle.usage(call.team, call.key_id, call.asked(UsageQuery).days, actor=call.actor)
    return answer(views.Usage([shown_day(day) for day in days]))


def _show(call: Call, view: KeyView) -> Response:
    return answer(call.shown.key(view), headers={"ETag": etag(view.record.revision)})


def _changed(shown: views.ChangedKey) -> Response:
    return answer(shown, headers={"ETag": shown.etag})


def _reveal(call: Call, created: CreatedKey) -> Response:
    """Answer 201 with the secret, or 200 without it if this was done before under the same Idempotency-Key."""
    shown = views.NewKey(call.shown.key(created.view), created.secret)
    if created.replayed:
        return answer(shown, headers={"Idempotency-Replayed": "true"})
    return answer(shown, 201, {"Location": call.address_of(f"{_keys(call)}/{shown.key.id}")})


def _keys(call: Call) -> str:
    return KEYS.format(team=call.team)


def _precondition(call: Call) -> Precondition:
    """What If-Match and If-None-Match ask of the key's revision."""
    return Preconditions.of(call.request.headers).check


def _idempotency(call: Call, path: str) -> IdempotencyKey | None:
    """What the caller's Idempotency-Key stands for. Bodies are compared by their content, not by their whitespace."""
    key = idempotency_key(call.request.headers)
    if key is None or call.body is None:
        return None
    said = msgspec.json.encode(call.body)
    return IdempotencyKey.of(key, caller=call.grant.key_id, method="POST", path=path, body=said)
