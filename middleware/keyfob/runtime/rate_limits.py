"""Where the requests of one process are counted, as the settings say."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyfob.errors import ConfigError, LimitsUnavailable
from keyfob.gate.rate_limiter import RateLimiter
from keyfob.limits.memory import MemoryCounter
from keyfob.limits.outage import RemoteWithFallback, WithFallback
from keyfob.limits.shared import SharedCounter
from keyfob.limits.valkey_counter import ValkeyCounter
from keyfob.limits.windows import NS

if TYPE_CHECKING:
    from keyfob.config.settings import Settings
    from keyfob.gate.near_limits import NearLimits
    from keyfob.limits.quota_book import QuotaBook
    from keyfob.policy.catalogue import Catalogue

CLOCK: Final = time.time_ns  # by which windows begin and end
LOCAL: Final = "local"


def wall_clock() -> float:
    """Seconds since the epoch: which period of quotas it is."""
    return CLOCK() / NS


def open_counter(settings: Settings, catalogue: Catalogue) -> WithFallback | RemoteWithFallback | None:
    """Make what counts, or None where there are no limits. Nothing is opened yet. Raises ConfigError."""
    if not catalogue.limits:
        return None
    is_remote = settings.limits_store != LOCAL
    file = _file(settings)
    if file is None and not is_remote:
        raise ConfigError(
            "limits are counted in a file that the workers of this host share: with PostgreSQL, "
            'say limits_file = "/run/keyfob/limits" under [middleware], or count in Valkey'
        )
    alone = MemoryCounter(CLOCK)
    if is_remote:
        here = alone if file is None else WithFallback(file, alone, LOCAL)
        return RemoteWithFallback(ValkeyCounter(settings.limits_store), here, settings.limits_on_outage)
    return None if file is None else WithFallback(file, alone, settings.limits_on_outage)


def rate_limiter_of(
    settings: Settings,
    catalogue: Catalogue,
    counter: WithFallback | RemoteWithFallback | None,
    quotas: QuotaBook,
    near: NearLimits,
) -> RateLimiter:
    """What judges by limits with *counter*, if there is one, and by *quotas*, which any key may have."""
    return RateLimiter(
        catalogue.limits,
        counter,
        quotas,
        headers=settings.ratelimit_headers,
        observes="observe" in {settings.limits_mode, settings.mode},
        near=near,
        now=wall_clock,
    )


async def close_counter(counter: WithFallback | RemoteWithFallback | None) -> None:
    """Let go of what *counter* has open."""
    if isinstance(counter, RemoteWithFallback):
        await counter.disconnect()
    elif counter is not None:
        counter.close()


async def problem_of(counter: WithFallback | RemoteWithFallback) -> str | None:
    """Why requests cannot be counted where they should be, asked as a request asks it; None if they can be.

    Nothing is counted. *counter* may not have counted for long, so that it knows of no problem by itself.
    """
    with suppress(LimitsUnavailable):  # it has noted the problem, whatever is configured for an outage
        if isinstance(counter, RemoteWithFallback):
            await counter.take_remotely((), 0)
        else:
            counter.take((), 0)
    return counter.problem


def file_of(settings: Settings) -> Path | None:
    """The file in which the workers of this host count, where there is a place for it."""
    database = None if settings.store_url is None else settings.store_url.path
    beside = None if database is None else Path(f"{os.path.realpath(database)}-limits")
    return settings.limits_file or beside


def _file(settings: Settings) -> SharedCounter | None:
    path, url = file_of(settings), settings.store_url
    return None if path is None else SharedCounter(path, None if url is None else url.path, clock=CLOCK)
