"""``/metrics``: the figures of all workers of this server, as Prometheus text. Needs the extra ``metrics``.

No key is needed from loopback and from the addresses of ``[metrics] allow``; others need one with ``metrics:read``. A
request that came through a proxy is judged by the client's address, and only if ``trusted_proxies`` resolves it: a
proxy on this machine would otherwise make everybody local.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from keyfob.errors import StoreUnavailable
from keyfob.gate.client_address import ClientAddress, canonical
from keyfob.management.key_listing import count_by_state
from keyfob_admin.problems import Problem, problem_of, problem_response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily
    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import Scope

    from keyfob.keys.record import State
    from keyfob.runtime.runtime import Runtime

PATH: Final = "/metrics"
GUARD: Final[Mapping[str, object]] = {
    f"GET {PATH}": {"permission": "metrics:read", "key_types": ["admin"], "otherwise": "app"}
}
MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
IS_INSTALLED: Final = find_spec("prometheus_client") is not None

_COUNTED_FOR: Final = 30.0  # seconds for which the numbers of keys are reused: counting reads an index of every key
_FORWARDING: Final = frozenset(
    (b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip")
)
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="keyfob"'}


def metrics_routes(runtime: Runtime) -> list[BaseRoute]:
    """Make the route, if prometheus-client is installed."""
    return [Route(PATH, Metrics(runtime).answer, methods=["GET"])] if IS_INSTALLED else []


class LocalOnly:
    """Tells whether a request without a key may see how the server is."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        self._addresses = runtime.addresses
        self._allowed = ClientAddress(settings.metrics.allow)
        self._header = settings.client_ip_header.encode()

    def admits(self, scope: Scope) -> bool:
        """Whether the request's key was accepted, or its client needs none."""
        if scope.get("keyfob") is not None:
            return True
        address = self._addresses.of(scope)
        if self._is_forwarded(scope):
            client = scope.get("client")
            if not self._addresses.trusts_peer_of(scope) or address == (canonical(client[0]) if client else None):
                return False
        if address is not None and ip_address(address).is_loopback:
            return True
        return self._allowed.trusts_peer_of({"client": None if address is None else (address, 0)})

    def _is_forwarded(self, scope: Scope) -> bool:
        return any(
            name in _FORWARDING or name == self._header or name.startswith(b"x-forwarded-")
            for name, _ in scope["headers"]
        )


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
            problem = Problem(401, "missing_key", "From here, the metrics need an admin key with metrics:read.")
            return problem_response(request.scope, problem_of(problem), _CHALLENGE)
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
