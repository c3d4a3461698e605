"""Metrics in the application's own registry: Prometheus, its multiprocess mode, and OpenTelemetry."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from keyfob import APIKeyMiddleware
from keyfob.metrics import collector
from keyfob.otel import SpanAttributes, instrument
from keyfob.runtime.telemetry import COUNTERS, GAUGES
from tests.keyfob.conftest import RULES, Echo, ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

MONITORING = Path(__file__).parents[2] / "examples" / "monitoring"


async def test_the_collector_counts_what_the_middleware_does(here: Installation, guard: Guard) -> None:
    """Every verdict and reason, as often as it happened, however often it is collected."""
    issued = await here.issue("items:read")
    app = guard()
    registry = CollectorRegistry()
    registry.register(collector(app))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    for _ in range(2):
        assert 200 == (await ask(app, "/items", issued.headers)).status
        assert 403 == (await ask(app, "/items", issued.headers, method="POST")).status
        assert value("keyfob_argon2_seconds_count") is not None
    await ask(app, "/items")

    assert collector(app) is collector(app)
    assert 2 == value("keyfob_requests_total", verdict="admitted", reason="")
    assert 2 == value("keyfob_requests_total", verdict="denied", reason="permission")
    assert 1 == value("keyfob_requests_total", verdict="denied", reason="missing")
    assert 1 == value("keyfob_cache_entries")
    assert 0 == value("keyfob_store_errors_total", operation="poll")
    assert {"permission": 2, "missing": 1} == app.stats.denied_by


async def test_argon2_is_timed(guard: Guard) -> None:
    """Each computation counts with its seconds, also one that fails."""
    app = guard()
    registry = CollectorRegistry()
    registry.register(collector(app))
    await app.runtime.pool.run(sum, (1, 2))
    with pytest.raises(TypeError):
        await app.runtime.pool.run(int, [])  # type: ignore[arg-type]

    assert 2 == registry.get_sample_value("keyfob_argon2_seconds_count")


WORKER = """
import asyncio, sys
from keyfob import APIKeyMiddleware
from keyfob.metrics import collector
from tests.keyfob.conftest import Echo, ask

app = APIKeyMiddleware(Echo(), store=sys.argv[1], keyring=sys.argv[2], rules={"GET /items": "items:read"})
collector(app)

async def main():
    for _ in range(int(sys.argv[3])):
        await ask(app, "/items")
    await app.runtime.usage.drain(app.runtime.store)

asyncio.run(main())
"""


READER = """
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

registry = CollectorRegistry()
MultiProcessCollector(registry)
print(registry.get_sample_value("keyfob_requests_total", {"verdict": "denied", "reason": "missing"}))
"""


async def test_several_processes_add_up(here: Installation, tmp_path: Path) -> None:
    """In prometheus-client's multiprocess mode, whoever reads the folder sees what all workers counted."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    store, keyring = str(here.options["store"]), str(here.options["keyring"])
    done = ""
    for arguments in (["-c", WORKER, store, keyring, "2"], ["-c", WORKER, store, keyring, "3"], ["-c", READER]):
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=environment, stdout=subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert 0 == process.returncode
        done = out.decode().strip()

    assert "5.0" == done


async def test_opentelemetry_gets_the_same_figures(here: Installation, guard: Guard) -> None:
    """Counters, gauges and the histogram, under their dotted names."""
    issued = await here.issue("items:read")
    app = guard()
    reader = InMemoryMetricReader()
    instrument(app, meter_provider=MeterProvider([reader]))
    await ask(app, "/items", issued.headers)
    await ask(app, "/items")
    await app.runtime.pool.run(sum, (1, 2))

    told = json.loads(reader.get_metrics_data().to_json())["resource_metrics"][0]["scope_metrics"][0]["metrics"]  # type: ignore[union-attr]
    points = {metric["name"]: metric["data"]["data_points"] for metric in told}
    requests = {point["attributes"]["reason"]: point["value"] for point in points["keyfob.requests"]}

    assert {"": 1, "missing": 1} == requests
    assert 1 == points["keyfob.cache_entries"][0]["value"]
    assert points["keyfob.argon2.seconds"][0]["count"] >= 1


async def test_a_span_says_which_key_asked(here: Installation) -> None:
    """By id, type and team; a request without a key adds nothing."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    issued = await here.issue("items:read")
    app = APIKeyMiddleware(SpanAttributes(Echo()), **here.options, rules={**RULES, "/open": {"public": True}})
    for path, headers in (("/items", issued.headers), ("/open", {})):
        with provider.get_tracer("test").start_as_current_span(path):
            await ask(app, path, headers)
    await app.runtime.stop()

    with_key, without = exporter.get_finished_spans()
    assert {"keyfob.key.id": issued.record.id, "keyfob.key.type": "api", "keyfob.team": issued.record.team} == dict(
        with_key.attributes or {}
    )
    assert {} == dict(without.attributes or {})


def expressions() -> list[str]:
    dashboard: dict[str, Any] = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*shown, *(rule["expr"] for rule in rules)]


def test_dashboard_and_alerts_ask_for_metrics_that_there_are() -> None:
    """Each name in an expression is one of ours, each of ours is on the dashboard, and brackets are closed."""
    known = {*COUNTERS, *GAUGES, "keyfob_keys", "keyfob_argon2_seconds_bucket"}
    words = {word for text in expressions() for word in re.findall(r"\bkeyfob_\w+", text)}

    assert words <= known
    assert known - words <= {"keyfob_usage_writes_total"}
    for text in expressions():
        assert all(text.count(opening) == text.count(closing) for opening, closing in ("()", "[]", "{}"))


def test_alerts_say_what_to_do() -> None:
    """Each has a severity, a summary and an action, and waits before it fires."""
    for rule in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]:
        assert {"alert", "expr", "for", "labels", "annotations"} == rule.keys()
        assert {"summary", "action"} == rule["annotations"].keys()
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
