"""The Keys page: searching, filtering and paging, all of it in the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import Invalid
from keyfob.keys.format import key_id_of
from keyfob.keys.record import State
from keyfob.management.keys import KeySearch
from keyfob.management.pagination import write_token
from keyfob_admin.console import charts

if TYPE_CHECKING:
    from datetime import date

    from starlette.responses import Response

    from keyfob.store.contract import KeyView
    from keyfob_admin.console.page_request import PageRequest

PER_PAGE: Final = 50
UNUSED: Final = timedelta(days=90)
_ORDER: Final = "-created_at"  # newest first
_BACKWARDS: Final = "created_at"


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of keys, and the addresses of those beside it."""

    views: tuple[KeyView, ...]
    first: int  # the number of the first key, counted from 1
    previous: str | None
    following: str | None

    @property
    def last(self) -> int:
        """The number of the last key."""
        return self.first + len(self.views) - 1


async def show_keys(page_request: PageRequest) -> Response:
    """List the team's keys."""
    filters = _filters(page_request)
    pasted = key_id_of(filters["q"] or "", page_request.runtime.prefix)
    if pasted is not None and pasted != filters["q"]:  # perhaps a whole key, which must not stay in the address
        return page_request.goes_to(page_request.url("/keys", **{**filters, "q": pasted}))
    try:
        listed = await _listed(page_request, filters)
    except Invalid:  # a page of a listing that there is no more, or a choice that never was
        return page_request.goes_to(page_request.url("/keys"))
    days = _days(page_request)
    uses = await page_request.console.store.uses([view.record.id for view in listed.views], days[0])
    sparks = {view.record.id: charts.sparkline(uses.get(view.record.id, {}), days) for view in listed.views}
    return page_request.page(
        "keys.html",
        listed=listed,
        filters=filters,
        filtered=any(filters.values()),
        sparks=sparks,
        states=list(State),
        types=page_request.runtime.catalogue.key_types,
        deleted=await _name_of_deleted(page_request),
    )


def _filters(page_request: PageRequest) -> dict[str, str | None]:
    return {name: page_request.asked(name) for name in ("q", "state", "type", "unused", "permission")}


async def _listed(page_request: PageRequest, filters: dict[str, str | None]) -> Listed:
    before, start = page_request.asked("before"), _number(page_request.asked("start"))
    search = KeySearch(
        team=page_request.team.id,
        q=filters["q"],
        state=filters["state"],
        key_type=filters["type"],
        permission=filters["permission"],
        unused_since=page_request.now - UNUSED if filters["unused"] else None,
        order_by=_BACKWARDS if before else _ORDER,
        page_size=PER_PAGE,
        page_token=before or page_request.asked("after"),
    )
    page = await page_request.runtime.lifecycle.list_keys(search, actor=page_request.actor)
    views = page.items[::-1] if before else page.items
    previous = page_request.url("/keys", **filters, **_previous(views, start)) if start > 1 else None
    following = None
    if views and (before is not None or page.next_token is not None):
        following = page_request.url("/keys", **filters, after=_token(_ORDER, views[-1]), start=start + PER_PAGE)
    return Listed(views, start, previous, following)


def _previous(views: tuple[KeyView, ...], start: int) -> dict[str, object]:
    """What the address of the page before says; the first page needs to say nothing."""
    if start <= PER_PAGE + 1 or not views:
        return {}
    return {"before": _token(_BACKWARDS, views[0]), "start": start - PER_PAGE}


def _token(order: str, view: KeyView) -> str:
    return write_token(order, *view.place(_BACKWARDS))


def _number(text: str | None) -> int:
    return max(1, int(text)) if text and text.isascii() and text.isdigit() and len(text) <= 9 else 1  # noqa: PLR2004


def _days(page_request: PageRequest) -> list[date]:
    today = page_request.now.astimezone(UTC).date()
    return [today - timedelta(days=ago) for ago in reversed(range(charts.SPARK_DAYS))]


async def _name_of_deleted(page_request: PageRequest) -> str | None:
    """Name the key that was just deleted, for the message that says so."""
    key_id = page_request.asked("deleted")
    record = (await page_request.runtime.store.find(key_id)).record if key_id else None
    gone = record is not None and record.is_deleted and record.team == page_request.team.id
    return record.name if record is not None and gone else None
