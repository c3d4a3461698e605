"""``/metrics``: the figures of all workers of this server, as Prometheus text. Needs the extra ``metrics``.

Who may read them is said in `keyfob_admin.wire.local_clients`.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from keyfob.errors import StoreUnavailable
from keyfob.management.key_listing import count_by_state
from keyfob_admin.problems import problem_of, problem_response
from keyfob_admin.wire.local_clients import MEASURES, LocalOnly, key_needed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from keyfob.keys.record import State
    from keyfob.runtime.runtime import Runtime

PATH: Final = "/metrics"
GUARD: Final[Mapping[str, object]] = {f"GET {PATH}": MEASURES}
MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
IS_INSTALLED: Final = find_spec("prometheus_client") is not None

_COUNTED_FOR: Final = 30.0  # seconds for which the numbers of keys are reused: counting reads an index of every key


def metrics_routes(runtime: Runtime) -> list[BaseRoute]:
    """Make the route, if prometheus-client is installed."""
    return [Route(PATH, Metrics(runtime).answer, methods=["GET"])] if IS_INSTALLED else []


class Metrics:
    """Answers with the metrics of all workers."""

    def __init__(self, runtime: Runtime) -> None:
        from keyfob.metrics import collector_of  # noqa: PLC0415 - an extra that need not be installed

        self._runtime = runtime
        self._local = LocalOnly(runtime)
        self._collector = collector_of(runtime)
        self._keys: Mapping[State, int] = {}
        self._counted_at: float | None = None
        self._counting = asyncio.Lock()

    async def answer(self, request: Request) -> Response:
        """Answer one scrape."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415 - as above

        if not self._local.admits(request.scope):
            refused = key_needed("the metrics need")
            return problem_response(request.scope, problem_of(refused), refused.headers)
        with suppress(StoreUnavailable):  # which the metrics themselves say
            await self._count_keys()
        text = await asyncio.to_thread(lambda: generate_latest(self._registry()))
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})

    async def _count_keys(self) -> None:
        runtime = self._runtime
        async with self._counting:
            if self._counted_at is None or time.monotonic() - self._counted_at >= _COUNTED_FOR:
                self._keys = await count_by_state(runtime.store, runtime.catalogue, runtime.now())
                self._counted_at = time.monotonic()

    def _registry(self) -> CollectorRegistry:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - as above
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - as above

        registry = CollectorRegistry()
        folder = os.environ.get(MULTIPROCESS)
        if folder is None:
            registry.register(self._collector)
        else:
            self._collector.collect()  # this worker's own figures as they are now
            forget_ended_workers(Path(folder))
            MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        registry.register(_Keys(self._keys))
        return registry


class _Keys:
    """The number of keys by state, for prometheus-client."""

    def __init__(self, keys: Mapping[State, int]) -> None:
        self._keys = keys

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the one metric."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - as above

        family = GaugeMetricFamily(
            "keyfob_keys", "Keys by state, as counted half a minute ago at most.", labels=["state"]
        )
        for state, count in self._keys.items():
            family.add_metric([state.value], count)
        yield family


def forget_ended_workers(folder: Path) -> None:
    """Drop the gauges of processes that are gone; their counters stay, so that no total goes back."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - as above

    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
        except PermissionError:
            continue
