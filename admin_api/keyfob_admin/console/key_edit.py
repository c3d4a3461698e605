"""Edit a key: the same form as for a new one, filled in, and refused where somebody else was faster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob.errors import ExceedsOwnPermissions, FixedPermissions, Invalid, LastAdmin, PreconditionFailed
from keyfob_admin.console.key_create import form_page, pressed
from keyfob_admin.console.key_form import Entries, Mistake, mistakes_of
from keyfob_admin.problems import STATUSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from keyfob.keys.record import KeyRecord
    from keyfob_admin.console.page_request import Visit


CONFLICT: Final = "Someone else changed this key. Reload to see the current state."


async def show_edit(visit: Visit) -> Response:
    """Show the key's fields to change."""
    record = await _record(visit)
    return _form(visit, record, Entries.of_record(record, record.name, record.expires_at))


async def save(visit: Visit) -> Response:
    """Change the key, if it is still the one that the form was filled in for."""
    record = await _record(visit)
    key_type = visit.runtime.catalogue.key_types[record.key_type]
    entries = pressed(visit, key_type, Entries.of_form(visit.form, record.expires_at))
    if visit.form.has("preset"):
        return _form(visit, record, entries)
    if mistakes := entries.mistakes(visit.now, choosing=False):
        return _form(visit, record, entries, 422, mistakes)
    patch = entries.meaning(visit.now)
    if not key_type.is_fixed:
        patch["permissions"] = entries.permissions
    revision = _number(visit.form.get("revision"))
    try:
        await visit.runtime.lifecycle.update(visit.team.id, record.id, patch, actor=visit.actor, if_match=revision)
    except (Invalid, ExceedsOwnPermissions, FixedPermissions, LastAdmin) as error:
        return _form(visit, record, entries, STATUSES[type(error)], mistakes_of(error))
    except PreconditionFailed:
        return _form(visit, record, entries, 409, [Mistake("", CONFLICT)])
    return visit.goes_to(visit.key_url(record.id, done="saved"))


async def _record(visit: Visit) -> KeyRecord:
    return (await visit.runtime.lifecycle.get(visit.team.id, visit.key_id, actor=visit.actor)).record


def _form(
    visit: Visit, record: KeyRecord, entries: Entries, status: int = 200, mistakes: Sequence[Mistake] = ()
) -> Response:
    """Write the form; one that comes back keeps the revision that it was filled in for."""
    key_type = visit.runtime.catalogue.key_types[record.key_type]
    revision = visit.form.get("revision") or record.revision
    shown = {"mode": "edit", "source": record, "had": record.permissions, "revision": revision}
    return form_page(visit, key_type, entries, status, **shown, mistakes=mistakes)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1  # noqa: PLR2004 - what a store can hold
