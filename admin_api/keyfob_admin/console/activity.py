"""The Activity page: the audit log of the team, filtered, and as a file to take along."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import StreamingResponse

from keyfob.audit import ACTIONS
from keyfob.errors import Invalid, StoreUnavailable
from keyfob.management.audit.audit_log import EventSearch
from keyfob.management.pagination import Page
from keyfob.policy.permissions import covers
from keyfob_admin.console.embedded_session import signed_in_again
from keyfob_admin.console.rendering import HEADERS
from keyfob_admin.wire.presenters import shown_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from keyfob.audit import ChainedEvent
    from keyfob_admin.console.page_request import PageRequest
    from keyfob_admin.sessions import SignedIn

log = logging.getLogger("keyfob.console")

COLUMNS: Final = ("seq", "time", "actor_kind", "actor_id", "actor", "ip", "action", "team", "key_id", "detail")
_STARTS: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20"  # what a formula begins with, and the wide forms
_FORMULA: Final = re.compile(rf"\A(?= *[{_STARTS}\t\r\n])|(?<![\w'{_STARTS}])(?=[{_STARTS}]\S)")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"  # without it Excel reads UTF-8 as the code page of the machine
_READS_AUDIT: Final = "audit:read"
_CHECKED_EVERY: Final = 100  # events of an export between two looks at the session
_FILTERS: Final = ("key", "actor", "action", "since", "scope")


class SessionEndedError(Exception):
    """The session that an export belongs to has ended."""


class Export(StreamingResponse):
    """A download that is cut off when its session ends. Without its last part no client takes it for complete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or as much of it as the session lasts."""
        try:
            await super().__call__(scope, receive, send)
        except* SessionEndedError:
            log.info(
                "an export of the audit log was cut off, because its session has ended", extra={"event": "export_cut"}
            )
        except* StoreUnavailable as unavailable:
            log.warning(
                "an export of the audit log was cut off: %s",
                unavailable.exceptions[0],
                extra={"event": "export_failed"},
            )


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
    """Download the filtered log as CSV (RFC 4180) in which no cell can be taken for a formula."""
    return await _export(page_request, "csv", "text/csv", _csv_line, before=_BYTE_ORDER_MARK + _csv(COLUMNS))


async def export_ndjson(page_request: PageRequest) -> Response:
    """Download the filtered log as one JSON object per line, as the admin API streams it."""
    return await _export(page_request, "ndjson", "application/x-ndjson", _json_line)


def neutral(text: str) -> str:
    """Write *text* as a cell that a spreadsheet shows and never runs, whatever it takes for the separator of cells.

    A reader that splits at semicolons, tabs or blanks begins a cell in the middle of ours. So an apostrophe comes
    before everything that could begin a formula there: whatever does not follow a letter or digit.
    """
    return _FORMULA.sub("'", text)


async def _export(
    page_request: PageRequest,
    ending: str,
    media_type: str,
    line: Callable[[ChainedEvent], bytes],
    *,
    before: bytes = b"",
) -> Response:
    """Stream the log while the session lasts. The first event is read before the status is sent, so that can be 503."""
    events = page_request.runtime.audit_log.stream(_search(page_request), actor=page_request.actor)
    first = await anext(events, None)

    async def lines() -> AsyncIterator[bytes]:
        yield before + (b"" if first is None else line(first))
        number = 0
        async for event in events:
            if number % _CHECKED_EVERY == 0 and not await _may_go_on(page_request):
                raise SessionEndedError
            number += 1
            yield line(event)

    name = f"keyfob-activity-{page_request.now:%Y-%m-%d}.{ending}"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Export(lines(), 200, headers, media_type)


async def _may_go_on(page_request: PageRequest) -> bool:
    """Whether the session is still good, and whoever has it may still read what they began to read."""
    now, before, team = await _signed_in_now(page_request), page_request.actor, page_request.team.id
    actor = None if now is None else now.actor_in(team)
    if actor is None or not actor.may_see(team) or not covers(actor.permissions, _READS_AUDIT):
        return False
    return actor.acts_everywhere >= before.acts_everywhere and actor.own_keys_only <= before.own_keys_only


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


async def _signed_in_now(page_request: PageRequest) -> SignedIn | None:
    """Read the session again, for what goes on long after the request was admitted. None if it has ended."""
    console = page_request.console
    if console.page_sign_in is not None:
        return await console.page_sign_in.who(page_request.page_token, page_request.ip)
    if page_request.embedding is not None:
        return await signed_in_again(page_request, page_request.embedding)
    return await console.sign_in.who(page_request.session_token, page_request.ip, page_request.proxied)
