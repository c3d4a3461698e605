"""The Activity page: the audit log of the team, filtered, and as a file to take along."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import StreamingResponse

from keyfob.audit import ACTIONS
from keyfob.errors import Invalid
from keyfob.management.audit_log import EventSearch
from keyfob.management.pagination import Page
from keyfob_admin.console.rendering import HEADERS
from keyfob_admin.wire.presenters import shown_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.responses import Response

    from keyfob.audit import SealedEvent
    from keyfob_admin.console.page_request import Visit

COLUMNS: Final = ("seq", "time", "actor_kind", "actor_id", "actor", "ip", "action", "team", "key_id", "detail")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # and their wide forms
_FILTERS: Final = ("key", "actor", "action", "since", "scope")


async def show_activity(visit: Visit) -> Response:
    """Show what was done, newest first."""
    filters = {name: visit.asked(name) for name in _FILTERS}
    mistakes: dict[str, str] = {}
    page: Page[SealedEvent] = Page((), None)
    try:
        page = await visit.runtime.audit_log.events(_search(visit), actor=visit.actor)
    except Invalid as invalid:
        mistakes = {pointer.strip("/"): words for pointer, words in invalid.errors}
    return visit.page(
        "activity.html",
        422 if mistakes else 200,
        events=page,
        filters=filters,
        filtered=any(filters.values()),
        mistakes=mistakes,
        actions=ACTIONS,
    )


async def export_csv(visit: Visit) -> Response:
    """Hand out the filtered log as CSV (RFC 4180) in which no cell can be taken for a formula."""
    return await _export(visit, "csv", "text/csv", _csv_line, before=_csv(COLUMNS))


async def export_ndjson(visit: Visit) -> Response:
    """Hand out the filtered log as one JSON object a line, as the admin API does."""
    return await _export(visit, "ndjson", "application/x-ndjson", _json_line)


def neutral(text: str) -> str:
    """*text* as a cell that a spreadsheet shows and never runs."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


async def _export(
    visit: Visit, ending: str, media_type: str, line: Callable[[SealedEvent], bytes], *, before: bytes = b""
) -> Response:
    """Stream the log. The first event is read before the status is sent, so that a refusal can still be said."""
    events = visit.runtime.audit_log.stream(_search(visit), actor=visit.actor)
    first = await anext(events, None)

    async def lines() -> AsyncIterator[bytes]:
        yield before
        if first is not None:
            yield line(first)
        async for event in events:
            yield line(event)

    name = f"keyfob-activity-{visit.now:%Y-%m-%d}.{ending}"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines(), 200, headers, media_type)


def _search(visit: Visit) -> EventSearch:
    everywhere = visit.asked("scope") == "all" and visit.actor.acts_everywhere
    since = visit.asked("since")
    return EventSearch(
        team=None if everywhere else visit.team.id,
        key=visit.asked("key"),
        actor=visit.asked("actor"),
        action=visit.asked("action"),
        since=f"{since}T00:00:00Z" if since else None,
        page_token=visit.asked("after"),
    )


def _csv_line(sealed: SealedEvent) -> bytes:
    event = sealed.event
    detail = json.dumps(event.detail, ensure_ascii=False, sort_keys=True) if event.detail else ""
    at = event.at.isoformat().replace("+00:00", "Z")
    who = (event.actor_kind, event.actor_id, event.actor_name, event.ip)
    return _csv((str(sealed.seq), at, *who, event.action, event.team, event.key_id, detail))


def _csv(cells: tuple[str | None, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([neutral(cell or "") for cell in cells])
    return text.getvalue().encode()


def _json_line(sealed: SealedEvent) -> bytes:
    return msgspec.json.encode(shown_event(sealed)) + b"\n"
