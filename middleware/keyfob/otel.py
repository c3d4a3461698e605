"""Metrics and span attributes through the OpenTelemetry API. Needs the extra ``otel``, and an SDK of your choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.metrics import CallbackOptions, Observation, get_meter

from keyfob.runtime.telemetry import COUNTERS, GAUGES, SECONDS, counted, gauged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from opentelemetry.metrics import MeterProvider
    from starlette.types import ASGIApp, Receive, Scope, Send

    from keyfob.asgi.middleware import APIKeyMiddleware
    from keyfob.gate.verdict import Grant
    from keyfob.runtime.runtime import Runtime

    _Callback = Callable[[CallbackOptions], Iterable[Observation]]

__all__ = ["SpanAttributes", "instrument"]

_NAME: Final = "keyfob"


def instrument(middleware: APIKeyMiddleware, *, meter_provider: MeterProvider | None = None) -> None:
    """Make the metrics of *middleware* known to *meter_provider*, or else to the global one. Call it once.

    Names are those of `keyfob.metrics`, with dots and without ``_total``: ``keyfob.requests``.
    """
    meter = get_meter(_NAME, meter_provider=meter_provider)
    figures = _Figures(middleware.runtime)
    for name, (words, _) in COUNTERS.items():
        meter.create_observable_counter(_dotted(name), [figures.counter(name)], description=words)
    for name, words in GAUGES.items():
        meter.create_observable_gauge(_dotted(name), [figures.gauge(name)], description=words)
    seconds = meter.create_histogram("keyfob.argon2.seconds", unit="s", description=SECONDS)
    middleware.runtime.pool.observers.append(seconds.record)


class _Figures:
    """Reads the figures when the SDK asks."""

    def __init__(self, runtime: Runtime) -> None:
        self._counts = runtime.stats, runtime.freshness, runtime.usage
        self._figures = runtime.key_cache, runtime.pool, runtime.freshness, runtime.counter

    def counter(self, name: str) -> _Callback:
        labels = COUNTERS[name][1]

        def observe(_: CallbackOptions) -> Iterator[Observation]:
            for counter, values, count in counted(*self._counts):
                if counter == name:
                    yield Observation(count, dict(zip(labels, values, strict=True)))

        return observe

    def gauge(self, name: str) -> _Callback:
        def observe(_: CallbackOptions) -> Iterator[Observation]:
            yield from (Observation(value) for gauge, value in gauged(*self._figures) if gauge == name)

        return observe


class SpanAttributes:
    """Writes who asks into the current span: put it inside `keyfob.APIKeyMiddleware`, around the application.

    The attributes are ``keyfob.key.id``, ``keyfob.key.type``, ``keyfob.team`` and, where there is one,
    ``keyfob.external_id``. Never a name, because people write names, and never a secret.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, as ASGI 3 asks."""
        grant: Grant | None = scope.get("keyfob")
        if grant is not None:
            span = trace.get_current_span()
            if span.is_recording():
                span.set_attributes(_attributes(grant))
        await self.app(scope, receive, send)


def _attributes(grant: Grant) -> dict[str, str]:
    attributes = {"keyfob.key.id": grant.key_id, "keyfob.key.type": grant.key_type, "keyfob.team": grant.team}
    return attributes if grant.external_id is None else {**attributes, "keyfob.external_id": grant.external_id}


def _dotted(name: str) -> str:
    return name.removesuffix("_total").replace("keyfob_argon2_", "keyfob.argon2.").replace("keyfob_", "keyfob.")
