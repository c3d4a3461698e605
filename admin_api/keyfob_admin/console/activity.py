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

    from keyfob.audit import ChainedEvent
    from keyfob_admin.console.page_request import PageRequest

COLUMNS: Final = ("seq", "time", "actor_kind", "actor_id", "actor", "ip", "action", "team", "key_id", "detail")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # and their wide forms
_FILTERS: Final = ("key", "actor", "action", "since", "scope")


async def show_activity(page_request: PageRequest) -> Response:
    """Show what was done, newest first."""
    filters = {name: page_request.asked(name) for name in _FILTERS}
    mistakes: dict[str, str] = {}
    page: Page[ChainedEvent] = Page((), None)
    try:
        page = await page_request.runtime.audit_log.events(_search(page_request), actor=page_request.actor)
    except Invalid as invalid:
        mistakes = {pointer.strip("/"): words for pointer, words in invalid.errors}
    return page_request.page(
        "activity.html",
        422 if mistakes else 200,
        events=page,
        filters=filters,
        filtered=any(filters.values()),
        mistakes=mistakes,
        actions=ACTIONS,
    )


async def export_csv(page_request: PageRequest) -> Response:
    """Hand out the filtered log as CSV (RFC 4180) in which no cell can be taken for a formula."""
    return await _export(page_request, "csv", "text/csv", _csv_line, before=_csv(COLUMNS))


async def export_ndjson(page_request: PageRequest) -> Response:
    """Hand out the filtered log as one JSON object a line, as the admin API does."""
    return await _export(page_request, "ndjson", "application/x-ndjson", _json_line)


def neutral(text: str) -> str:
    """*text* as a cell that a spreadsheet shows and never runs."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


async def _export(
    page_request: PageRequest,
    ending: str,
    media_type: str,
    line: Callable[[ChainedEvent], bytes],
    *,
    before: bytes = b"",
) -> Response:
    """Stream the log. The first event is read before the status is sent, so that a refusal can still be said."""
    events = page_request.runtime.audit_log.stream(_search(page_request), actor=page_request.actor)
    first = await anext(events, None)

    async def lines() -> AsyncIterator[bytes]:
        yield before
        if first is not None:
            yield line(first)
        async for event in events:
            yield line(event)

    name = f"keyfob-activity-{page_request.now:%Y-%m-%d}.{ending}"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines(), 200, headers, media_type)


def _search(page_request: PageRequest) -> EventSearch:
    everywhere = page_request.asked("scope") == "all" and page_request.actor.acts_everywhere
    since = page_request.asked("since")
    return EventSearch(
        team=None if everywhere else page_request.team.id,
        key=page_request.asked("key"),
        actor=page_request.asked("actor"),
        action=page_request.asked("action"),
        since=f"{since}T00:00:00Z" if since else None,
        page_token=page_request.asked("after"),
    )


def _csv_line(chained: ChainedEvent) -> bytes:
    event = chained.event
    detail = json.dumps(event.detail, ensure_ascii=False, sort_keys=True) if event.detail else ""
    at = event.at.isoformat().replace("+00:00", "Z")
    who = (event.actor_kind, event.actor_id, event.actor_name, event.ip)
    return _csv((str(chained.seq), at, *who, event.action, event.team, event.key_id, detail))


def _csv(cells: tuple[str | None, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([neutral(cell or "") for cell in cells])
    return text.getvalue().encode()


def _json_line(chained: ChainedEvent) -> bytes:
    return msgspec.json.encode(shown_event(chained)) + b"\n"
