"""Whether limits can be counted, and whether there are all that keys name."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from keyfob.errors import LimitsUnavailable
from keyfob.limits.outage import RemoteWithFallback
from keyfob.limits.windows import Meter, subject_of
from keyfob.management.keys import KeySearch
from keyfob.management.pagination import LARGEST_PAGE
from keyfob.runtime.rate_limits import LOCAL, file_of
from keyfob_admin.cli.findings import FAIL, OK, WARN, Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfob_admin.cli.context import CliContext

_NOBODY: Final = (Meter(subject_of("doctor", "", "none-day"), "none-day", 1, 86_400),)  # is read, and never counted


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
    """Read a count that nobody has."""
    counter, settings = context.runtime.counter, context.settings
    if isinstance(counter, RemoteWithFallback):
        host = urlsplit(settings.limits_store).hostname
        with suppress(LimitsUnavailable):  # the counter says it, whatever is configured for an outage
            await counter.take_remotely(_NOBODY, 0)
        if counter.problem is not None:
            return Finding(FAIL, "limits", counter.problem, f"see whether {host} runs, and can be reached from here")
        return Finding(OK, "limits", f"counted in Valkey on {host}")
    path = file_of(settings)
    if counter is None or path is None or not path.exists():
        return Finding(OK, "limits", f"counted in {path}, which the first request makes")
    try:
        counter.look(_NOBODY)
    except LimitsUnavailable as error:
        fix = f"see who owns it, and what it is; {LOCAL} counts go on in each worker alone meanwhile"
        return Finding(FAIL, "limits", str(error), fix)
    return Finding(OK, "limits", f"counted in {path}")
