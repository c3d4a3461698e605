"""What narrowing a key would have refused, said before it is saved."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from keyfob.runtime.preview import DAYS
from keyfob_admin.console import humanize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob_admin.console.key_form import KeyForm
    from keyfob_admin.console.page_request import PageRequest


def mark_of(entries: KeyForm) -> str:
    """What a form carries that was warned: it counts for these permissions and addresses alone."""
    said = "\n".join((*sorted(entries.permissions), "", *entries.addresses.split()))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


async def would_refuse(page_request: PageRequest, patch: Mapping[str, object]) -> str | None:
    """Say how many recent requests the key, as *patch* would make it, would have refused; None if none is known."""
    previewer = page_request.runtime.previewer()
    narrowed = {name: patch[name] for name in ("permissions", "ip_allow") if name in patch}
    found = await previewer.preview(page_request.team.id, page_request.key_id, narrowed, actor=page_request.actor)
    if not found.refused or found.last_at is None:
        return None
    last = humanize.ago(found.last_at, page_request.now)
    place = f" from {found.last_address}" if found.last_address else ""
    more = f" Of {humanize.counted(found.unknown, 'more request')} it can't be told." if found.unknown else ""
    return (
        f"In the last {DAYS} days this would have refused {humanize.counted(found.refused, 'request')}, "
        f"last {last}{place}.{more}"
    )
