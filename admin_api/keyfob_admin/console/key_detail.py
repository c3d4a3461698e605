"""One key's pages: what it is and how it is used, what it may do and since when, and what was done to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Forbidden
from keyfob.keys.record import State
from keyfob.management.audit_log import EventSearch
from keyfob.management.keys import KeySearch
from keyfob_admin.console import charts, humanize
from keyfob_admin.console.key_create import is_taken, taken_words
from keyfob_admin.console.permission_choices import groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from keyfob.audit import SealedEvent
    from keyfob.management.pagination import Page
    from keyfob.store.contract import KeyView
    from keyfob_admin.console.page_request import Visit

_DAYS: Final = 30
_MOST_CHANGES: Final = 200


@dataclass(frozen=True, slots=True)
class PermissionChange:
    """A later change to what the key may do: ``items:write added``, and the event that says when and by whom."""

    words: str
    event: SealedEvent


async def show_overview(visit: Visit) -> Response:
    """Show what the key is, and its last thirty days."""
    view = await _seen(visit)
    days = await visit.runtime.lifecycle.usage(visit.team.id, visit.key_id, _DAYS, actor=visit.actor)
    return await _page(visit, "key.html", view, chart=charts.bar_chart(days), source=await _source_of(visit, view))


async def show_permissions(visit: Visit) -> Response:
    """Show what the key may do, and who decided that."""
    view = await _seen(visit)
    record = view.record
    shown = groups(visit.runtime.catalogue, record.key_type, record.permissions)
    everything = [choice for group in shown for choice in group.choices if choice.name != "*" or choice.ticked]
    return await _page(
        visit,
        "key_permissions.html",
        view,
        granted=[choice for choice in everything if choice.ticked],
        missing=[choice for choice in everything if not choice.ticked],
        changes=await _changes(visit),
        fixed=visit.runtime.catalogue.key_types[record.key_type].is_fixed,
    )


async def show_activity(visit: Visit) -> Response:
    """Show what was done to the key."""
    view = await _seen(visit)
    search = EventSearch(team=visit.team.id, key=visit.key_id, page_token=visit.asked("after"))
    events = await _events(visit, search)
    return await _page(visit, "key_activity.html", view, events=events)


async def confirm_disabling(visit: Visit) -> Response:
    """Ask on a page of its own; where dialogs work, nobody comes here."""
    return await _page(visit, "confirm.html", await _seen(visit), verb="disable")


async def confirm_deleting(visit: Visit) -> Response:
    """Ask on a page of its own, if the key is disabled."""
    return await _page(visit, "confirm.html", await _seen(visit), verb="delete")


async def disable(visit: Visit) -> Response:
    """Switch the key off."""
    await visit.runtime.lifecycle.disable(visit.team.id, visit.key_id, actor=visit.actor)
    return visit.goes_to(visit.key_url(visit.key_id, done="disabled"))


async def enable(visit: Visit) -> Response:
    """Switch the key on."""
    await visit.runtime.lifecycle.enable(visit.team.id, visit.key_id, actor=visit.actor)
    return visit.goes_to(visit.key_url(visit.key_id, done="enabled"))


async def delete(visit: Visit) -> Response:
    """End the key for good. Raises KeyNotDisabled."""
    await visit.runtime.lifecycle.delete(visit.team.id, visit.key_id, actor=visit.actor)
    return visit.goes_to(visit.url("/keys", deleted=visit.key_id))


async def _seen(visit: Visit) -> KeyView:
    return await visit.runtime.lifecycle.get(visit.team.id, visit.key_id, actor=visit.actor)


async def _page(visit: Visit, template: str, view: KeyView, **context: Any) -> Response:  # noqa: ANN401 - whatever it shows
    """Write a page with the key's head: its name, its state, and what can be done."""
    record = view.record
    state = visit.state(record)
    return visit.page(
        template,
        view=view,
        key=record,
        state=state,
        notice=_notice(visit, state, record.name),
        key_type=visit.runtime.catalogue.key_types.get(record.key_type),
        no_copy=await _why_no_copy(visit, record.key_type),
        disabling=_disabling(visit, view),
        staleness=humanize.seconds(visit.runtime.settings.usage_interval),
        **context,
    )


def _notice(visit: Visit, state: State, name: str) -> str | None:
    """What has just happened, as long as it is still so."""
    if visit.asked("again"):
        return "This key was already generated. Its secret can't be shown again."
    match visit.asked("done"):
        case "disabled" if state is State.DISABLED:
            return f"'{name}' is disabled."
        case "enabled" if state is State.ACTIVE:
            return f"'{name}' is active again."
        case "enabled" if state is not State.DISABLED:
            return f"'{name}' is enabled, but {state}."
        case "saved":
            return f"'{name}' was changed."
        case _:
            return None


def _disabling(visit: Visit, view: KeyView) -> str:
    """What disabling does, and when: at once where all processes share the doorbell."""
    at_once = visit.runtime.store.applies_at_once
    when = "from now on" if at_once else f"within {humanize.seconds(visit.runtime.settings.max_staleness)}"
    used = view.last_used
    place = f" from {used.ip}" if used and used.ip else ""
    last = f"Last used {humanize.ago(used.at, visit.now)}{place}." if used else "It was never used."
    return f"Requests that present this key get 401 Unauthorized {when}. {last} You can enable it again at any time."


async def _why_no_copy(visit: Visit, name: str) -> str | None:
    """Why the key cannot be duplicated, if that can be known beforehand."""
    key_type = visit.runtime.catalogue.key_types.get(name)
    if key_type is None or key_type.per_team is None:
        return None
    search = KeySearch(team=visit.team.id, key_type=name, page_size=key_type.per_team)
    live = await visit.runtime.lifecycle.list_keys(search, actor=visit.actor)
    return taken_words(key_type) if is_taken(key_type, len(live.items)) else None


async def _source_of(visit: Visit, view: KeyView) -> KeyView | None:
    """The key that this one was duplicated from, if it is still there."""
    source = view.record.duplicated_from
    found = await visit.runtime.store.view(source) if source else None
    return found if found is not None and found.record.team == visit.team.id else None


async def _events(visit: Visit, search: EventSearch) -> Page[SealedEvent] | None:
    """The events, or None for who may not read them."""
    try:
        return await visit.runtime.audit_log.events(search, actor=visit.actor)
    except Forbidden:
        return None


async def _changes(visit: Visit) -> Sequence[PermissionChange]:
    """Each later change to the permissions, oldest first."""
    search = EventSearch(team=visit.team.id, key=visit.key_id, action="key.updated", page_size=_MOST_CHANGES)
    page = await _events(visit, search)
    return [
        PermissionChange(said, sealed)
        for sealed in reversed(page.items if page else ())
        for said in humanize.permission_changes(sealed.event.detail.get("permissions"))
    ]
