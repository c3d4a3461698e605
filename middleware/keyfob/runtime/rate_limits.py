"""Where the requests of one process are counted, as the settings say."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyfob.errors import ConfigError
from keyfob.gate.rate_limiter import RateLimiter
from keyfob.limits.memory import MemoryCounter
from keyfob.limits.outage import WithFallback
from keyfob.limits.shared import SharedCounter

if TYPE_CHECKING:
    from keyfob.config.settings import Settings
    from keyfob.policy.catalogue import Catalogue

CLOCK: Final = time.time_ns  # by which windows begin and end


def open_counter(settings: Settings, catalogue: Catalogue) -> WithFallback | None:
    """Make what counts, or None where there are no limits. Nothing is opened yet. Raises ConfigError."""
    if not catalogue.limits:
        return None
    database = None if settings.store_url is None else settings.store_url.path
    path = settings.limits_file
    if path is None:
        if database is None:
            raise ConfigError(
                "limits are counted in a file that the workers of this host share: with PostgreSQL, "
                'say limits_file = "/run/keyfob/limits" under [middleware]'
            )
        path = Path(f"{os.path.realpath(database)}-limits")
    counter = SharedCounter(path, database, clock=CLOCK)
    return WithFallback(counter, MemoryCounter(CLOCK), settings.limits_on_outage)


def rate_limiter_of(settings: Settings, catalogue: Catalogue, counter: WithFallback | None) -> RateLimiter | None:
    """What judges by limits with *counter*, if there is one."""
    if counter is None:
        return None
    return RateLimiter(
        catalogue.limits,
        counter,
        headers=settings.ratelimit_headers,
        observes="observe" in {settings.limits_mode, settings.mode},
    )
