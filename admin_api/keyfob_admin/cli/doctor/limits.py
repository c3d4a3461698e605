"""Whether limits can be counted, and whether there are all that keys name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keyfob.management.keys import KeySearch
from keyfob.management.pagination import LARGEST_PAGE
from keyfob.runtime.rate_limits import LOCAL, file_of, problem_of
from keyfob_admin.cli.doctor.findings import FAIL, OK, WARN, Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfob_admin.cli.context import CliContext


async def limits(context: CliContext) -> AsyncIterator[Finding]:
    """Look where requests are counted, and for limits of keys that the configuration does not have."""
    known = context.runtime.catalogue.limits
    if known:
        yield await _counting(context)
    for view in await context.all_keys(KeySearch(page_size=LARGEST_PAGE)):
        gone = [name for name in view.record.limits if name not in known]
        if gone:
            fix = f"write [limits.{gone[0]}], or `keyfob keys limits {view.record.id} --plan`"
            what = f"{context.display(view.record)} has limits that are not there: {', '.join(gone)}"
            yield Finding(WARN, "limits", what, fix)


async def _counting(context: CliContext) -> Finding:
    """Count nothing, where requests are counted."""
    counter, settings = context.runtime.counter, context.settings
    path, is_local = file_of(settings), settings.limits_store == LOCAL
    if counter is None or (is_local and (path is None or not path.exists())):
        return Finding(OK, "limits", f"counted in {path}, which the first request makes")
    host = urlsplit(settings.limits_store).hostname
    problem = await problem_of(counter)
    if problem is not None:
        fix = (
            "see who owns it, and what it is" if is_local else f"see whether {host} runs, and can be reached from here"
        )
        return Finding(FAIL, "limits", problem, fix)
    return Finding(OK, "limits", f"counted in {path}" if is_local else f"counted in Valkey on {host}")
