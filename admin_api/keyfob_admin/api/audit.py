"""The audit log, page by page or as one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from keyfob.management.audit.audit_log import EventSearch
from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire import audit_views, or_none
from keyfob_admin.wire.content_negotiation import prefers
from keyfob_admin.wire.media_types import NDJSON
from keyfob_admin.wire.presenters import shown_event
from keyfob_admin.wire.requests import AuditQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfob.audit import ChainedEvent


async def list_events(call: Call) -> Response:
    """Show one page of events, newest first, or stream them all."""
    if prefers(NDJSON, call.request.headers.get("accept", "")):
        return await _stream(call)
    page = await call.runtime.audit_log.events(_search(call), actor=call.actor)
    return answer(audit_views.AuditPage([shown_event(event) for event in page.items], page.next_token))


async def _stream(call: Call) -> Response:
    """Stream one event per line. The first is read before the status is sent, so that it can still be 503."""
    events = call.runtime.audit_log.stream(_search(call), actor=call.actor)
    first = await anext(events, None)
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    return StreamingResponse(_lines(first, events), headers=headers, media_type=NDJSON)


def _search(call: Call) -> EventSearch:
    asked = call.asked(AuditQuery)
    return EventSearch(
        team=or_none(asked.team),
        key=or_none(asked.key),
        actor=or_none(asked.actor),
        action=or_none(asked.action),
        person=or_none(asked.person),
        since=or_none(asked.since),
        page_size=asked.page_size,
        page_token=asked.page_token or None,
    )


async def _lines(first: ChainedEvent | None, events: AsyncIterator[ChainedEvent]) -> AsyncIterator[bytes]:
    if first is None:
        return
    yield msgspec.json.encode(shown_event(first)) + b"\n"
    async for event in events:
        yield msgspec.json.encode(shown_event(event)) + b"\n"


ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="GET",
        path="/v1/audit-events",
        name="list_audit_events",
        summary="Read the audit log, newest first",
        handler=list_events,
        tag="Audit",
        any_of=("audit:read",),
        query=AuditQuery,
        answer=audit_views.AuditPage,
        streamed=audit_views.AuditEvent,
    ),
)
