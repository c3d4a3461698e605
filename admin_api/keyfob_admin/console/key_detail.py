"""One key's pages: what it is and how it is used, what it may do and since when, and what was done to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from keyfob.errors import Forbidden, Invalid
from keyfob.keys.record import State
from keyfob.management.audit.audit_log import EventSearch
from keyfob_admin.console import charts, humanize
from keyfob_admin.console.consequences import disabling, why_not_disable
from keyfob_admin.console.key_create import why_not
from keyfob_admin.console.key_replace import replacing, still_used
from keyfob_admin.console.key_use import use_of
from keyfob_admin.console.limit_bars import limit_bars
from keyfob_admin.console.off_since import off_since, wait_for_workers
from keyfob_admin.console.permission_choices import EVERYTHING, groups
from keyfob_admin.console.permission_matrix import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from keyfob.audit import ChainedEvent
    from keyfob.management.pagination import Page
    from keyfob.store.contract.key_store import KeyView
    from keyfob_admin.console.page_request import PageRequest

_DAYS: Final = 30
SPANS: Final = {1: "24 h", 7: "7 d", _DAYS: "30 d", 90: "90 d"}
_MOST_CHANGES: Final = 200
NO_TYPE: Final = "The configuration has no keys of this type any more."
AGAIN: Final = "This key was already generated. Its secret can't be shown again."
AGAIN_PENDING: Final = (
    "This form was already sent. The link that it made can't be shown again; New Link makes another one."
)


@dataclass(frozen=True, slots=True)
class PermissionChange:
    """A later change to what the key may do: ``items:write added``, and the event that says when and by whom."""

    words: str
    event: ChainedEvent


async def show_overview(page_request: PageRequest) -> Response:
    """Show what the key is, and its last thirty days, or as many as are asked for; one day by its hours."""
    view = await _seen(page_request)
    record, catalogue = view.record, page_request.runtime.catalogue
    span = next((days for days in SPANS if str(days) == page_request.asked("days")), _DAYS)
    can = groups(catalogue, record.key_type, record.permissions)
    use = await use_of(page_request, record.key_type, span, can)
    choices = [choice for group in can for choice in group.choices]
    return await _page(
        page_request,
        "key.html",
        view,
        chart=await _chart(page_request, span),
        span=span,
        spans=SPANS,
        as_table=page_request.asked("table"),
        source=await _other(page_request, record.duplicated_from),
        predecessor=await _other(page_request, record.replaces),
        groups=can,
        use=use,
        limits=await limit_bars(page_request),
        granted=sum(choice.ticked for choice in choices),
        grantable=len([choice for choice in choices if choice.name != EVERYTHING or choice.ticked]),
        fixed=page_request.type_of(record).is_fixed,
    )


async def _chart(page_request: PageRequest, span: int) -> charts.BarChart:
    usage, where = page_request.runtime.lifecycle.usage, (page_request.team.id, page_request.key_id)
    if span == 1:
        return charts.by_hour(await usage.hours(*where, actor=page_request.actor))
    return charts.by_day(await usage.days(*where, span, actor=page_request.actor))


async def show_permissions(page_request: PageRequest) -> Response:
    """Show what the key may do, and who decided that."""
    view = await _seen(page_request)
    record = view.record
    shown = groups(page_request.runtime.catalogue, record.key_type, record.permissions)
    everything = [choice for group in shown for choice in group.choices if choice.name != EVERYTHING or choice.ticked]
    return await _page(
        page_request,
        "key_permissions.html",
        view,
        granted=[choice for choice in everything if choice.ticked],
        missing=[choice for choice in everything if not choice.ticked],
        granted_lines=lines(shown),
        missing_lines=lines(shown, ticked=False),
        changes=await _changes(page_request),
        fixed=page_request.type_of(record).is_fixed,
    )


async def show_activity(page_request: PageRequest) -> Response:
    """Show what was done to the key."""
    view = await _seen(page_request)
    search = EventSearch(team=page_request.team.id, key=page_request.key_id, page_token=page_request.asked("after"))
    try:
        events = await _events(page_request, search)
    except Invalid:  # a page of a listing that there is no more
        return page_request.goes_to(page_request.key_url(page_request.key_id, "/activity"))
    return await _page(page_request, "key_activity.html", view, events=events)


async def confirm_disabling(page_request: PageRequest) -> Response:
    """Ask on a page of its own; where dialogs work, nobody comes here."""
    page_request.actor.demand("keys:write")
    return await _page(page_request, "confirm.html", await _seen(page_request), verb="disable")


async def confirm_deleting(page_request: PageRequest) -> Response:
    """Ask on a page of its own, if the key is disabled."""
    page_request.actor.demand("keys:delete")
    return await _page(page_request, "confirm.html", await _seen(page_request), verb="delete")


async def disable(page_request: PageRequest) -> Response:
    """Switch the key off."""
    reason = page_request.form.get("reason").strip() or None
    changed = await page_request.runtime.lifecycle.disable(
        page_request.team.id, page_request.key_id, actor=page_request.actor, reason=reason
    )
    await wait_for_workers(page_request, changed)
    return page_request.goes_to(page_request.key_url(page_request.key_id, done="disabled"))


async def enable(page_request: PageRequest) -> Response:
    """Switch the key on."""
    await page_request.runtime.lifecycle.enable(page_request.team.id, page_request.key_id, actor=page_request.actor)
    return page_request.goes_to(page_request.key_url(page_request.key_id, done="enabled"))


async def delete(page_request: PageRequest) -> Response:
    """End the key for good. Raises KeyNotDisabled."""
    reason = page_request.form.get("reason").strip() or None
    await page_request.runtime.lifecycle.delete(
        page_request.team.id, page_request.key_id, actor=page_request.actor, reason=reason
    )
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
        notice=_notice(page_request, state, humanize.isolated(record.name)),
        key_type=page_request.runtime.catalogue.key_types.get(record.key_type),
        no_copy=await _why_no_copy(page_request, record.key_type),
        replacing=await replacing(page_request, view),
        successor=await _other(page_request, record.replaced_by),
        still_used=still_used(view, page_request.now),
        off_since=await off_since(page_request, record),
        disabling=await disabling(page_request, view),
        no_disable=await why_not_disable(page_request, record),
        staleness=humanize.seconds(page_request.runtime.settings.usage_interval),
        **context,
    )


def _notice(page_request: PageRequest, state: State, name: str) -> str | None:
    """What has just happened, as long as it is still so."""
    if page_request.asked("again"):
        return AGAIN_PENDING if state is State.PENDING else AGAIN
    match page_request.asked("done"):
        case "disabled" if state is State.DISABLED:
            return Markup("'{}' is disabled.").format(name)
        case "enabled" if state is State.ACTIVE:
            return Markup("'{}' is active again.").format(name)
        case "enabled" if state is not State.DISABLED:
            return Markup("'{}' is enabled, but {}.").format(name, state)
        case "saved":
            return Markup("'{}' was changed.").format(name)
        case _:
            return None


async def _why_no_copy(page_request: PageRequest, name: str) -> str | None:
    """Why the key cannot be duplicated, if that can be known beforehand."""
    key_type = page_request.runtime.catalogue.key_types.get(name)
    return NO_TYPE if key_type is None else await why_not(page_request, key_type)


async def _other(page_request: PageRequest, key_id: str | None) -> KeyView | None:
    """A key of the same team that this one came from or was replaced by, if it is still there and may be seen."""
    found = await page_request.runtime.store.view(key_id) if key_id else None
    may_be_seen = found is not None and page_request.actor.may_see_key(found.record)
    return found if found is not None and may_be_seen and found.record.team == page_request.team.id else None


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
