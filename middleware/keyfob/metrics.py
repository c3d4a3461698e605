"""Metrics for Prometheus, for the registry of the application itself. Needs the extra ``metrics``.

The counters of a request are plain integers; they are copied into prometheus-client's instruments when somebody asks,
and after each batch of usage. So a request costs no more than without metrics, and the files of prometheus-client's
multiprocess mode (``PROMETHEUS_MULTIPROC_DIR``) hold what all workers have counted.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector

from keyfob.runtime.telemetry import COUNTERS, GAUGES, SECONDS, counted, gauged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from keyfob.asgi.middleware import APIKeyMiddleware
    from keyfob.runtime.runtime import Runtime

__all__ = ["collector", "collector_of"]

_MODES: Final = {"keyfob_staleness_seconds": "livemax"}  # the worst of all workers; every other gauge is a sum
_collectors: WeakKeyDictionary[Runtime, _KeyfobCollector] = WeakKeyDictionary()
_lock = threading.Lock()


def collector(middleware: APIKeyMiddleware) -> Collector:
    """Return what `prometheus_client.CollectorRegistry.register` takes; the same for every call.

    In prometheus-client's multiprocess mode call this once in each process, before or after it forked: what
    `prometheus_client.multiprocess.MultiProcessCollector` reads then has Keyfob's metrics.
    """
    return collector_of(middleware.runtime)


def collector_of(runtime: Runtime) -> Collector:
    """Return the collector of *runtime*."""
    with _lock:
        found = _collectors.get(runtime)
        if found is None:
            found = _collectors[runtime] = _KeyfobCollector(runtime)
        return found


class _KeyfobCollector(Collector):
    """Copies the figures of one runtime into instruments."""

    def __init__(self, runtime: Runtime) -> None:
        self._counts = runtime.stats, runtime.freshness, runtime.usage
        self._figures = runtime.key_cache, runtime.pool, runtime.freshness, runtime.counter
        self._registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._told: defaultdict[tuple[str, tuple[str, ...]], int] = defaultdict(int)
        self._counters = {
            name: Counter(name, words, labels, registry=self._registry) for name, (words, labels) in COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(name, words, registry=self._registry, multiprocess_mode=_MODES.get(name, "livesum"))  # type: ignore[arg-type]  # one of its words
            for name, words in GAUGES.items()
        }
        seconds = Histogram("keyfob_argon2_seconds", SECONDS, registry=self._registry)
        runtime.pool.observers.append(seconds.observe)
        runtime.usage.observers.append(self.copy)

    def copy(self) -> None:
        """Bring the instruments up to date."""
        with self._lock:
            for name, labels, count in counted(*self._counts):
                more = count - self._told[name, labels]
                instrument = self._counters[name]
                (instrument.labels(*labels) if labels else instrument).inc(more)
                self._told[name, labels] = count
            for name, value in gauged(*self._figures):
                self._gauges[name].set(value)

    def collect(self) -> Iterable[Metric]:
        """Give every metric, as prometheus-client asks."""
        self.copy()
        return self._registry.collect()
