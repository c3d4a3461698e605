"""Disabling many keys at once: ticked in the list, named with their last uses, and all or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob.errors import Invalid, LastAdmin, NotFound
from keyfob_admin.console import humanize
from keyfob_admin.console.consequences import LAST_ADMINS, OWN_KEY, all_roots, used_today, when
from keyfob_admin.problems import STATUSES, Problem

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyfob_admin.console.page_request import PageRequest

GONE: Final = "One of these keys doesn't exist any more. Nothing was changed: tick the others again."


async def lead_to_list(page_request: PageRequest) -> Response:
    """Lead on whoever opens the address of the question, which names no key."""
    return page_request.goes_to(page_request.url("/keys"))


async def disable_many(page_request: PageRequest) -> Response:
    """Ask about the keys that were ticked, and disable them once that is confirmed."""
    ids = list(dict.fromkeys(page_request.form.all("key")))
    if not ids:
        return page_request.goes_to(page_request.url("/keys"))
    try:
        if page_request.form.has("confirmed"):
            return await _disable(page_request, ids)
        return await _question(page_request, ids)
    except NotFound:
        raise Problem(404, "not_found", GONE) from None


async def _disable(page_request: PageRequest, ids: list[str]) -> Response:
    reason = page_request.form.get("reason").strip() or None
    try:
        disabled = await page_request.runtime.lifecycle.bulk.run(
            page_request.team.id, ids=ids, reason=reason, actor=page_request.actor
        )
    except (Invalid, LastAdmin) as error:
        return await _question(page_request, ids, STATUSES[type(error)], str(error))
    return page_request.goes_to(page_request.url("/keys", disabled=len(disabled)))


async def _question(
    page_request: PageRequest, ids: list[str], status: int = 200, mistake: str | None = None
) -> Response:
    views = await page_request.runtime.lifecycle.bulk.run(
        page_request.team.id, ids=ids, dry_run=True, actor=page_request.actor
    )
    views = [view for view in views if not view.record.is_disabled]
    roots = await all_roots(page_request, [view.record for view in views])
    own = any(view.record.id == page_request.actor.id for view in views)
    return page_request.page(
        "bulk.html",
        status,
        views=views,
        what=humanize.counted(len(views), "key"),
        stop="This key stops" if len(views) == 1 else f"These {len(views):,} keys stop",
        today=humanize.used_today(used_today(views, page_request)),
        when=await when(page_request),
        own=OWN_KEY if own else None,
        refusal=LAST_ADMINS if roots else None,
        mistake=mistake and mistake[:1].upper() + mistake[1:],
    )
