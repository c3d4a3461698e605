"""The Keys page: searching, filtering and paging, all of it in the address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Invalid
from keyfob.keys.format import key_id_of
from keyfob.management.pagination import write_token
from keyfob_admin.console import charts, humanize
from keyfob_admin.console.consequences import LAST_ADMINS, OWN_KEY, all_roots, when
from keyfob_admin.console.first_steps import first_steps
from keyfob_admin.console.owners import meant, owners
from keyfob_admin.console.reviews import reviewed, reviews
from keyfob_admin.console.word_search import with_words

if TYPE_CHECKING:
    from datetime import date

    from starlette.responses import Response

    from keyfob.store.contract.key_store import KeyView
    from keyfob_admin.console.page_request import PageRequest

PER_PAGE: Final = 50
_PEOPLE: Final = 8  # named in the menu of owners; of more, one writes the name
_NEWEST: Final = "-created_at"
SORTS: Final = ("name", "-name", "-last_used_at", "last_used_at", "expires_at", "-expires_at")
FILTERS: Final = ("q", "state", "type", "permission", "owner", "review", "sort")


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of keys, and the addresses of those beside it."""

    views: tuple[KeyView, ...]
    first: int  # the number of the first key, counted from 1
    previous: str | None
    following: str | None
    total: int | None  # on the first page

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
        whose, unclear = await _owner(page_request, filters["owner"])
        if not unclear and whose != filters["owner"]:
            return page_request.goes_to(page_request.url("/keys", **{**filters, "owner": whose}))
        return await list_page(page_request, {**filters, "owner": whose}, unclear=unclear)
    except Invalid:  # a page of a listing that there is no more, or a choice that never was
        return page_request.goes_to(page_request.url("/keys"))


async def list_page(page_request: PageRequest, filters: dict[str, str | None], **context: Any) -> Response:  # noqa: ANN401 - whatever it shows
    """Write the page of a listing. Raises Invalid."""
    listed = await _listed(page_request, filters)
    days = _days(page_request)
    uses = await page_request.console.store.uses([view.record.id for view in listed.views], days[0])
    sparks = {view.record.id: charts.sparkline(uses.get(view.record.id, {}), days) for view in listed.views}
    known, unseen = page_request.runtime.catalogue.key_types, page_request.actor.unseen_type
    types = {name: kind for name, kind in known.items() if name != unseen}
    shown: dict[str, Any] = {
        "listed": listed,
        "filters": filters,
        "filtered": any(value for name, value in filters.items() if name != "sort"),
        "reviews": await reviews(page_request),
        "sparks": sparks,
        "types": types,
        "type_names": {"": "Any type", **{name: kind.label.removesuffix(" key") for name, kind in types.items()}},
        "deleted": await _name_of_deleted(page_request),
        "found": None,
        "owners": await owners(page_request, filters["owner"], _PEOPLE),
        "unclear": None,
        "steps": None if any(filters.values()) else first_steps(listed.views, listed.total, page_request.now),
        "disabled": _disabled(page_request),
        "when": await when(page_request),
        "own_key": OWN_KEY,
        "last_admins": LAST_ADMINS,
        "roots": await all_roots(page_request, [view.record for view in listed.views]),
    }
    return page_request.page("keys.html", **{**shown, **context})


async def _owner(page_request: PageRequest, text: str | None) -> tuple[str | None, str | None]:
    """Find whose keys are asked for, by what was written or by an id, even of one who has left; else say why not."""
    try:
        return (await meant(page_request, text) if text else None), None
    except Invalid as unclear:
        is_id = key_id_of(text or "", page_request.runtime.prefix) == text
        return (text, None) if is_id else (None, f"{unclear.errors[0][1]}.")


def _filters(page_request: PageRequest) -> dict[str, str | None]:
    """Read what narrows and orders the list from the address."""
    return {name: page_request.asked(name) for name in FILTERS}


async def _listed(page_request: PageRequest, filters: dict[str, str | None]) -> Listed:
    before, start = page_request.asked("before"), _number(page_request.asked("start"))
    order = filters["sort"] if filters["sort"] in SORTS else _NEWEST
    narrowed = reviewed(filters["review"], page_request)
    search = replace(
        narrowed,
        state=filters["state"] or narrowed.state,
        key_type=filters["type"],
        permission=filters["permission"],
        owner=filters["owner"],
        order_by=_turned(order) if before else order,
        page_size=PER_PAGE,
        page_token=before or page_request.asked("after"),
    )
    if filters["q"]:
        search = with_words(search, filters["q"], page_request.runtime.prefix)
    page = await page_request.runtime.lifecycle.list_keys(search, actor=page_request.actor)
    views = page.items[::-1] if before else page.items
    previous = page_request.url("/keys", **filters, **_previous(order, views, start)) if start > 1 else None
    following = None
    if views and (before is not None or page.next_token is not None):
        following = page_request.url("/keys", **filters, after=_token(order, views[-1]), start=start + PER_PAGE)
    return Listed(views, start, previous, following, page.total)


def _turned(order: str) -> str:
    return order.removeprefix("-") if order.startswith("-") else f"-{order}"


def _previous(order: str, views: tuple[KeyView, ...], start: int) -> dict[str, object]:
    """What the address of the page before says; the first page needs to say nothing."""
    if start <= PER_PAGE + 1 or not views:
        return {}
    return {"before": _token(_turned(order), views[0]), "start": start - PER_PAGE}


def _token(order: str, view: KeyView) -> str:
    return write_token(order, *view.place(order.removeprefix("-")))


def _number(text: str | None) -> int:
    return max(1, int(text)) if text and text.isascii() and text.isdigit() and len(text) <= 9 else 1  # noqa: PLR2004


def _days(page_request: PageRequest) -> list[date]:
    today = page_request.now.astimezone(UTC).date()
    return [today - timedelta(days=ago) for ago in reversed(range(charts.SPARK_DAYS))]


def _disabled(page_request: PageRequest) -> str | None:
    """Say how many keys were just disabled."""
    asked = page_request.asked("disabled") or ""
    if not asked.isascii() or not asked.isdigit() or len(asked) > 4:  # noqa: PLR2004 - at most 1000 at once
        return None
    number = int(asked)
    return f"{humanize.counted(number, 'key')} {'is' if number == 1 else 'are'} disabled."


async def _name_of_deleted(page_request: PageRequest) -> str | None:
    """Name the key that was just deleted, for the message that says so."""
    key_id = page_request.asked("deleted")
    record = (await page_request.runtime.store.find(key_id)).record if key_id else None
    gone = record is not None and record.is_deleted and page_request.actor.may_see_key(record)
    return record.name if record is not None and gone else None
