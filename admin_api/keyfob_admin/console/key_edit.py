"""Edit a key: the same form as for a new one, filled in, and refused where somebody else was faster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import (
    ExceedsOwnLimits,
    ExceedsOwnPermissions,
    FixedPermissions,
    Invalid,
    LastAdmin,
    OwnKeysOnly,
    PreconditionFailed,
)
from keyfob_admin.console.key_create import form_page, pressed
from keyfob_admin.console.key_form import KeyForm, Mistake, mistakes_of
from keyfob_admin.console.limit_choices import limits_meant, raise_meant
from keyfob_admin.console.narrowing import mark_of, would_refuse
from keyfob_admin.console.owners import TEAM, meant, owner_patch, owners
from keyfob_admin.problems import STATUSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from keyfob.keys.record import KeyRecord
    from keyfob_admin.console.page_request import PageRequest


CONFLICT: Final = "Someone else changed this key. Reload to see the current state."


async def show_edit(page_request: PageRequest) -> Response:
    """Show the key's fields to change."""
    page_request.actor.demand("keys:write")
    record = await _record(page_request)
    entries = KeyForm.of_record(record, record.name, record.expires_at)
    left = tuple(name for name in entries.permissions if name != page_request.asked("without"))
    return await _form(page_request, record, replace(entries, permissions=left))


async def save(page_request: PageRequest) -> Response:
    """Change the key, if it is still the one that the form was filled in for."""
    record = await _record(page_request)
    key_type = page_request.type_of(record)
    entries = pressed(page_request, key_type, KeyForm.of_form(page_request.form, record.expires_at, record.metadata))
    if page_request.form.has("preset"):
        return await _form(page_request, record, entries)
    if mistakes := entries.mistakes(page_request.now, choosing=False):
        return await _form(page_request, record, entries, 422, mistakes)
    patch = entries.meaning(page_request.now)
    if not key_type.is_fixed:
        patch["permissions"] = entries.permissions
    if entries.limits is not None:
        patch |= limits_meant(entries.limits, record.limits, page_request.runtime.catalogue.limits)
        patch |= raise_meant(entries.raised, page_request.now) if page_request.form.has("raised") else {}
    revision = _number(page_request.form.get("revision"))
    try:
        patch |= owner_patch(await _owner(page_request, record), record.owner_id)
        if page_request.form.get("warned") != mark_of(entries) and (said := await would_refuse(page_request, patch)):
            return await _form(page_request, record, entries, warning=said, warned=mark_of(entries))
        await page_request.runtime.lifecycle.update(
            page_request.team.id, record.id, patch, actor=page_request.actor, if_match=revision
        )
    except (Invalid, OwnKeysOnly, ExceedsOwnLimits, ExceedsOwnPermissions, FixedPermissions, LastAdmin) as error:
        return await _form(page_request, record, entries, STATUSES[type(error)], mistakes_of(error))
    except PreconditionFailed:
        return await _form(page_request, record, entries, 409, [Mistake("", CONFLICT)])
    return page_request.goes_to(page_request.key_url(record.id, done="saved"))


async def _record(page_request: PageRequest) -> KeyRecord:
    return (
        await page_request.runtime.lifecycle.get(page_request.team.id, page_request.key_id, actor=page_request.actor)
    ).record


async def _owner(page_request: PageRequest, record: KeyRecord) -> str:
    """Whom the form names. One who has left can still be named by the id that the form shows then. Raises Invalid."""
    text = page_request.form.get("owner")
    return text if text == record.owner_id else await meant(page_request, text)


async def _form(
    page_request: PageRequest,
    record: KeyRecord,
    entries: KeyForm,
    status: int = 200,
    mistakes: Sequence[Mistake] = (),
    **warning: str,
) -> Response:
    """Write the form; one that comes back keeps the revision that it was filled in for."""
    key_type = page_request.type_of(record)
    revision = page_request.form.get("revision") or record.revision
    owner = page_request.form.get("owner") or record.owner_id or TEAM
    shown: dict[str, Any] = {"owners": await owners(page_request, record.owner_id), "owner": owner}
    shown |= {"raised": record.limits_raised}
    shown |= {"mode": "edit", "source": record, "had": record.permissions, "revision": revision}
    return form_page(page_request, key_type, entries, status, **{**shown, **warning}, mistakes=mistakes)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1  # noqa: PLR2004 - what a store can hold
