"""What one process can say of itself in figures, whoever asks for them: Prometheus or OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keyfob.gate.key_cache import KeyCache
    from keyfob.gate.stats import Stats
    from keyfob.gate.usage import Usage
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.limits.outage import RemoteWithFallback, WithFallback
    from keyfob.propagation.freshness import Freshness

COUNTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "keyfob_requests_total": ("Requests by verdict; public ones are not counted.", ("verdict", "reason")),
    "keyfob_cache_hits_total": ("Requests judged without asking the store.", ()),
    "keyfob_store_reads_total": ("Key rows read.", ()),
    "keyfob_store_errors_total": ("Polls and batches of usage that failed.", ("operation",)),
    "keyfob_argon2_verifications_total": ("Keys verified by Argon2id.", ()),
    "keyfob_refused_by_tag_total": ("Forged keys that cost neither a read nor a hash.", ()),
    "keyfob_usage_writes_total": ("Keys whose use was written, over all batches.", ()),
}
"""By name: what it counts, and its labels. Never a key's id."""

GAUGES: Final[Mapping[str, str]] = {
    "keyfob_cache_entries": "Keys in the cache.",
    "keyfob_argon2_pending": "Argon2id computations that run or wait.",
    "keyfob_staleness_seconds": "Seconds since changes were last read; max_staleness is the bound.",
    "keyfob_limits_degraded": "Workers that cannot count limits where they should, and do as limits_on_outage says.",
}

SECONDS: Final = "Seconds of each Argon2id computation."

_OF_STATS: Final = ("cache_hits", "store_reads", "argon2_verifications", "refused_by_tag", "usage_writes")


def counted(stats: Stats, freshness: Freshness, usage: Usage) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Every counter: name, values of its labels, and the count since the process began."""
    yield "keyfob_requests_total", ("admitted", ""), stats.admitted
    for reason, count in list(stats.denied_by.items()):
        yield "keyfob_requests_total", ("denied", reason), count
    for name in _OF_STATS:
        yield f"keyfob_{name}_total", (), stats[name]
    yield "keyfob_store_errors_total", ("poll",), freshness.failures
    yield "keyfob_store_errors_total", ("usage",), usage.failures


def gauged(
    key_cache: KeyCache, pool: Argon2Pool, freshness: Freshness, limits: WithFallback | RemoteWithFallback | None
) -> Iterator[tuple[str, float]]:
    """Every gauge: name and value."""
    yield "keyfob_cache_entries", float(len(key_cache))
    yield "keyfob_argon2_pending", float(pool.admitted)
    yield "keyfob_staleness_seconds", freshness.staleness
    yield "keyfob_limits_degraded", float(limits is not None and limits.problem is not None)
