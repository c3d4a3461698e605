"""One key's pages: what it is and how it is used, what it may do and since when, and what was done to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Forbidden
from keyfob.keys.record import State
from keyfob.management.audit_log import EventSearch
from keyfob.propagation.reach import seconds_until_effective
from keyfob_admin.console import charts, humanize
from keyfob_admin.console.key_create import taken_words
from keyfob_admin.console.permission_choices import groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from keyfob.audit import ChainedEvent
    from keyfob.management.pagination import Page
    from keyfob.store.contract import KeyView
    from keyfob_admin.console.page_request import PageRequest

_DAYS: Final = 30
_MOST_CHANGES: Final = 200


@dataclass(frozen=True, slots=True)
class PermissionChange:
    """A later change to what the key may do: ``items:write added``, and the event that says when and by whom."""

    words: str
    event: ChainedEvent


async def show_overview(page_request: PageRequest) -> Response:
    """Show what the key is, and its last thirty days."""
    view = await _seen(page_request)
    days = await page_request.runtime.lifecycle.usage.days(
        page_request.team.id, page_request.key_id, _DAYS, actor=page_request.actor
    )
    return await _page(
        page_request, "key.html", view, chart=charts.bar_chart(days), source=await _source_of(page_request, view)
    )


async def show_permissions(page_request: PageRequest) -> Response:
    """Show what the key may do, and who decided that."""
    view = await _seen(page_request)
    record = view.record
    shown = groups(page_request.runtime.catalogue, record.key_type, record.permissions)
    everything = [choice for group in shown for choice in group.choices if choice.name != "*" or choice.ticked]
    return await _page(
        page_request,
        "key_permissions.html",
        view,
        granted=[choice for choice in everything if choice.ticked],
        missing=[choice for choice in everything if not choice.ticked],
        changes=await _changes(page_request),
        fixed=page_request.runtime.catalogue.key_types[record.key_type].is_fixed,
    )


async def show_activity(page_request: PageRequest) -> Response:
    """Show what was done to the key."""
    view = await _seen(page_request)
    search = EventSearch(team=page_request.team.id, key=page_request.key_id, page_token=page_request.asked("after"))
    events = await _events(page_request, search)
    return await _page(page_request, "key_activity.html", view, events=events)


async def confirm_disabling(page_request: PageRequest) -> Response:
    """Ask on a page of its own; where dialogs work, nobody comes here."""
    return await _page(page_request, "confirm.html", await _seen(page_request), verb="disable")


async def confirm_deleting(page_request: PageRequest) -> Response:
    """Ask on a page of its own, if the key is disabled."""
    return await _page(page_request, "confirm.html", await _seen(page_request), verb="delete")


async def disable(page_request: PageRequest) -> Response:
    """Switch the key off."""
    await page_request.runtime.lifecycle.disable(page_request.team.id, page_request.key_id, actor=page_request.actor)
    return page_request.goes_to(page_request.key_url(page_request.key_id, done="disabled"))


async def enable(page_request: PageRequest) -> Response:
    """Switch the key on."""
    await page_request.runtime.lifecycle.enable(page_request.team.id, page_request.key_id, actor=page_request.actor)
    return page_request.goes_to(page_request.key_url(page_request.key_id, done="enabled"))


async def delete(page_request: PageRequest) -> Response:
    """End the key for good. Raises KeyNotDisabled."""
    await page_request.runtime.lifecycle.delete(page_request.team.id, page_request.key_id, actor=page_request.actor)
    return page_request.goes_to(page_request.url("/keys", deleted=page_request.key_id))


async def _seen(page_request: PageRequest) -> KeyView:
    return await page_request.runtime.lifecycle.get(page_request.team.id, page_request.key_id, actor=page_request.actor)


async def _page(page_request: PageRequest, template: str, view: KeyView, **context: Any) -> Response:  # noqa: ANN401 - whatever it shows
    """Write a page with the key's head: its name, its state, and what can be done."""
    record = view.record
    state = page_request.state(record)
    return page_request.page(
        template,
        view=view,
        key=record,
        state=state,
        notice=_notice(page_request, state, record.name),
        key_type=page_request.runtime.catalogue.key_types.get(record.key_type),
        no_copy=await _why_no_copy(page_request, record.key_type),
        disabling=await _disabling(page_request, view),
        staleness=humanize.seconds(page_request.runtime.settings.usage_interval),
        **context,
    )


def _notice(page_request: PageRequest, state: State, name: str) -> str | None:
    """What has just happened, as long as it is still so."""
    if page_request.asked("again"):
        return "This key was already generated. Its secret can't be shown again."
    match page_request.asked("done"):
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


async def _disabling(page_request: PageRequest, view: KeyView) -> str:
    """What disabling does, and when: immediately where all workers read one change signal."""
    runtime = page_request.runtime
    delay = await seconds_until_effective(runtime.store, runtime.settings.max_staleness)
    when = f"within {humanize.seconds(delay)}" if delay else "from now on"
    used = view.last_used
    place = f" from {used.ip}" if used and used.ip else ""
    last = f"Last used {humanize.ago(used.at, page_request.now)}{place}." if used else "It was never used."
    return f"Requests that present this key get 401 Unauthorized {when}. {last} You can enable it again at any time."


async def _why_no_copy(page_request: PageRequest, name: str) -> str | None:
    """Why the key cannot be duplicated, if that can be known beforehand."""
    key_type = page_request.runtime.catalogue.key_types.get(name)
    if key_type is None or await page_request.runtime.lifecycle.can_create(name, page_request.team) != "key_type_taken":
        return None
    return taken_words(key_type)


async def _source_of(page_request: PageRequest, view: KeyView) -> KeyView | None:
    """The key that this one was duplicated from, if it is still there."""
    source = view.record.duplicated_from
    found = await page_request.runtime.store.view(source) if source else None
    return found if found is not None and found.record.team == page_request.team.id else None


async def _events(page_request: PageRequest, search: EventSearch) -> Page[ChainedEvent] | None:
    """The events, or None for who may not read them."""
    try:
        return await page_request.runtime.audit_log.events(search, actor=page_request.actor)
    except Forbidden:
        return None


async def _changes(page_request: PageRequest) -> Sequence[PermissionChange]:
    """Each later change to the permissions, oldest first."""
    search = EventSearch(
        team=page_request.team.id, key=page_request.key_id, action="key.updated", page_size=_MOST_CHANGES
    )
    page = await _events(page_request, search)
    return [
        PermissionChange(said, chained)
        for chained in reversed(page.items if page else ())
        for said in humanize.permission_changes(chained.event.detail.get("permissions"))
    ]
