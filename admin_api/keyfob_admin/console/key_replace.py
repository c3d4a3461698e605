"""Replace Key: a new key takes the place of one in use, which goes on working as long as its callers need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import AlreadyRotated, Refused
from keyfob.keys.record import State
from keyfob.management.key_replacement import rivals_of
from keyfob.store.contract.key_store import KeyQuery
from keyfob_admin.console import humanize
from keyfob_admin.console.single_use import new_token, once, sent_token
from keyfob_admin.problems import STATUSES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.responses import Response

    from keyfob.keys.record import KeyRecord
    from keyfob.management.key_creation import CreatedKey
    from keyfob.store.contract.key_store import KeyView
    from keyfob_admin.console.page_request import PageRequest

FULL: Final = "Delete the key that this one replaced before you replace this one."
UNTIL_ENDED: Final = "open"
_DEFAULT: Final = "24h"
_SPANS: Final = {
    "1h": ("1 hour", timedelta(hours=1)),
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    UNTIL_ENDED: ("Until I end it", None),
    "0s": ("Not at all", timedelta()),
}
_MOST_OF_ONE: Final = 10  # live keys of a one-per-team type: two, and what a configuration before allowed
_UNUSED_FOR: Final = timedelta(days=1)  # then nobody seems to need the replaced key


@dataclass(frozen=True, slots=True)
class Overlap:
    """One answer to how long the old key goes on working, and what that means."""

    value: str
    label: str
    meaning: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Replacing:
    """What the dialog needs: the choices, a token that works once, and why it cannot be done, if it cannot."""

    overlaps: Sequence[Overlap]
    draft: str
    reason: str | None


async def replacing(page_request: PageRequest, view: KeyView) -> Replacing:
    """Make what the dialog of the key's page shows."""
    reason = _why_not(page_request, view.record) or await _why_full(page_request, view.record)
    return Replacing(_overlaps(view.record, page_request.now), new_token(), reason)


async def confirm(page_request: PageRequest) -> Response:
    """Ask on a page of its own; where dialogs work, nobody comes here."""
    page_request.actor.demand("keys:write")
    view = await _seen(page_request)
    return _page(page_request, view, await replacing(page_request, view))


async def replace_key(page_request: PageRequest) -> Response:
    """Make the new key, and show its secret once."""
    view = await _seen(page_request)
    chosen, asked = page_request.form.get("overlap"), await replacing(page_request, view)
    if chosen not in _SPANS:
        return _page(page_request, view, asked, 422, "Choose how long the old key keeps working")

    async def make() -> CreatedKey:
        overlap = None if chosen == UNTIL_ENDED else chosen
        return await page_request.runtime.lifecycle.rotate(
            page_request.team.id, view.record.id, {}, overlap=overlap, actor=page_request.actor
        )

    def refused(error: Refused) -> Response:
        if isinstance(error, AlreadyRotated):
            return page_request.goes_to(page_request.key_url(view.record.id))
        said = str(error)
        return _page(page_request, view, asked, STATUSES[type(error)], said[:1].upper() + said[1:])

    return await once(page_request, sent_token(page_request), make, refused)


def still_used(view: KeyView, now: datetime) -> str:
    """Say of a replaced key whether somebody still needs it."""
    used = view.last_used
    if used is None:
        return "It was never used: safe to end."
    if now - used.at >= _UNUSED_FOR:
        return f"Not used since {humanize.ago(used.at, now).removesuffix(' ago')}: safe to end."
    return f"Still used {humanize.ago(used.at, now)}{f' from {used.ip}' if used.ip else ''}."


def _why_not(page_request: PageRequest, record: KeyRecord) -> str | None:
    if record.replaced_by is not None:
        return "This key was replaced already."
    state = page_request.state(record)
    return None if state is State.ACTIVE else f"Only an active key can be replaced; this one is {state}."


async def _why_full(page_request: PageRequest, record: KeyRecord) -> str | None:
    """Why a one-per-team type has no room for a second replaced key; None if it has."""
    if record.replaces is None or page_request.type_of(record).per_team != 1:
        return None
    query = KeyQuery(team=record.team, now=page_request.now, key_type=record.key_type, limit=_MOST_OF_ONE)
    live = [view.record for view in await page_request.runtime.store.views(query)]
    return FULL if rivals_of(live, record.id, page_request.now) else None


def _overlaps(record: KeyRecord, now: datetime) -> list[Overlap]:
    return [
        Overlap(value, label, _meaning(record, span, now), value == _DEFAULT) for value, (label, span) in _SPANS.items()
    ]


def _meaning(record: KeyRecord, span: timedelta | None, now: datetime) -> str:
    """Say until when the old key works: never longer than it would have."""
    ends = record.expires_at
    if span == timedelta():
        return "401 Unauthorized from now on"
    if span is None:
        return f"{humanize.day(ends)} at the latest" if ends else "it has no other end"
    return f"until {humanize.moment(now + span if ends is None else min(now + span, ends))}"


async def _seen(page_request: PageRequest) -> KeyView:
    return await page_request.runtime.lifecycle.get(page_request.team.id, page_request.key_id, actor=page_request.actor)


def _page(
    page_request: PageRequest, view: KeyView, asked: Replacing, status: int = 200, mistake: str | None = None
) -> Response:
    shown = {"view": view, "key": view.record, "replacing": asked, "mistake": mistake}
    return page_request.page("replace.html", status, **shown)
