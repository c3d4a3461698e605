"""What has become of a key since it was disabled: which workers know, and who still tries it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING, Final

from keyfob.errors import StoreUnavailable
from keyfob_admin.console import humanize

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.management.keys import Changed
    from keyfob_admin.console.page_request import PageRequest

_MOST_DAYS: Final = 90  # as long as addresses and reasons are kept
_MOST_ADDRESSES: Final = 3


async def wait_for_workers(page_request: PageRequest, changed: Changed) -> None:
    """Wait until every worker has applied *changed*, or can no longer rely on what it read before."""
    with suppress(StoreUnavailable):  # the change is made; the page says which workers have applied it
        await page_request.runtime.lifecycle.acknowledged(changed)


async def off_since(page_request: PageRequest, record: KeyRecord) -> str | None:
    """Say since when a disabled key is off, on how many workers, and what was refused; None for other keys."""
    if record.disabled_at is None:
        return None
    at = record.disabled_at.astimezone(UTC)
    is_today = at.date() == page_request.now.astimezone(UTC).date()
    since = f"{at:%H:%M:%S} UTC" if is_today else humanize.moment(at)
    workers = await page_request.runtime.store.workers.all()
    know = sum(worker.revision >= record.revision for worker in workers)
    where = f" on {know} of {humanize.counted(len(workers), 'worker')}" if workers else ""
    return f"Off since {since}{where}. {await _tried(page_request, at)}"


async def _tried(page_request: PageRequest, at: datetime) -> str:
    """Say who tried the key after it was disabled."""
    days = (page_request.now.astimezone(UTC).date() - at.date()).days + 1
    usage, team, key_id = page_request.runtime.lifecycle.usage, page_request.team.id, page_request.key_id
    period = min(days, _MOST_DAYS)
    reasons = await usage.rows(team, key_id, "reason", period, actor=page_request.actor)
    tried = next((row for row in reasons if row.label == "disabled" and row.last >= at), None)
    if tried is None:
        return "No request was refused since."
    rows = await usage.rows(team, key_id, "address", period, actor=page_request.actor)
    addresses = [row.label for row in rows if row.denied and row.last >= at][:_MOST_ADDRESSES]
    where = f", from {humanize.listed(addresses)}" if addresses else ""
    if tried.first < at:  # it was disabled before, on one of these days: these are counted together
        return f"Still tried, last {humanize.ago(tried.last, page_request.now)}{where}."
    return f"{humanize.counted(tried.denied, 'request')} refused since{where}."
