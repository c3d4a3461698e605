"""``/metrics``: who may read it, and what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keyfob.config.settings import MetricsSettings
from keyfob.errors import StoreUnavailable
from keyfob.gate.client_address import ClientAddress
from keyfob.runtime.runtime import Runtime
from keyfob_admin.wire.local_clients import LocalOnly
from tests.promtool import promtool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.keyfob_admin.api.conftest import LiveAdmin

FORWARDED = {"X-Forwarded-For": "198.51.100.7"}


def samples(text: str) -> dict[tuple[str, str], float]:
    """Every sample by its name and its reason or state."""
    return {
        (sample.name, sample.labels.get("reason") or sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_requests_by_verdict_and_reason(live_admin: LiveAdmin) -> None:
    """What was admitted and denied, how fresh the answers are, and how many keys there are; no key's id."""
    made = live_admin.make()
    live_admin.call("POST", f"{made.path}/disable")
    reader = live_admin.make_admin("keys:read")
    assert 403 == live_admin.call("POST", "/v1/teams", reader.secret, json={}).status_code

    answer = live_admin.client.get(f"{live_admin.url}/metrics")
    found = samples(answer.text)

    assert (200, "no-store") == (answer.status_code, answer.headers["cache-control"])
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert found["keyfob_requests_total", ""] >= 3
    assert 1 == found["keyfob_requests_total", "permission"]
    assert (1, 2) == (found["keyfob_keys", "disabled"], found["keyfob_keys", "active"])
    assert found["keyfob_staleness_seconds", ""] >= 0
    assert ("keyfob_argon2_seconds_count", "") in found
    assert made.id not in answer.text


def test_prometheus_finds_nothing_to_improve(live_admin: LiveAdmin) -> None:
    """Its own program reads every metric with help, type and unit, and notices a name without the usual ending."""
    live_admin.make()
    text = live_admin.client.get(f"{live_admin.url}/metrics").text

    assert (0, "") == promtool("check", "metrics", stdin=text)
    code, report = promtool("check", "metrics", stdin=text.replace("keyfob_requests_total", "keyfob_requests"))
    assert (3, True) == (code, "keyfob_requests counter metrics should have" in report)


def test_a_forwarded_request_needs_a_key_with_metrics_read(live_admin: LiveAdmin) -> None:
    """A proxy on the same machine does not make its clients local; a key of another kind is no way in, either."""
    url = f"{live_admin.url}/metrics"
    reader = live_admin.make_admin("metrics:read").secret
    other = live_admin.make_admin("keys:read").secret

    def status(**headers: str) -> int:
        return live_admin.client.get(url, headers={"X-Forwarded-For": "127.0.0.1", **headers}).status_code

    missing = live_admin.client.get(url, headers={"Forwarded": "for=127.0.0.1"})
    assert (401, "missing_key") == (missing.status_code, missing.json()["code"])
    assert 'Bearer realm="keyfob"' == missing.headers["www-authenticate"]
    assert [401, 200, 403, 401] == [
        status(),
        status(Authorization=f"Bearer {reader}"),
        status(Authorization=f"Bearer {other}"),
        status(Authorization="Bearer kf_api_junk"),
    ]


@pytest.fixture
def runtime(live_admin: LiveAdmin, tmp_path: Path) -> Runtime:
    settings = replace(live_admin.runtime.settings, metrics=MetricsSettings(allow=("203.0.113.0/24",)))
    runtime = Runtime(settings)
    runtime.addresses = ClientAddress(("127.0.0.1/32", "10.0.0.0/8"))
    return runtime


@pytest.mark.parametrize(
    ("peer", "headers", "admits"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("203.0.113.9", {}, True),
        ("198.51.100.7", {}, False),
        (None, {}, False),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, True),
        ("127.0.0.1", {"x-forwarded-for": "198.51.100.7"}, False),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", {"x-real-ip": "203.0.113.9"}, False),
        ("127.0.0.1", {"x-forwarded-host": "example.com"}, False),
        ("203.0.113.9", {"x-forwarded-for": "203.0.113.9"}, False),
        ("198.51.100.7", {"x-forwarded-for": "203.0.113.9"}, False),
    ],
)
def test_who_needs_no_key(runtime: Runtime, peer: str | None, headers: dict[str, str], *, admits: bool) -> None:
    """Loopback and the allowed addresses; behind a proxy only where a trusted one says who the client is."""
    scope = {
        "client": None if peer is None else (peer, 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    assert admits is LocalOnly(runtime).admits(scope)


def test_an_outage_leaves_the_metrics_up(live_admin: LiveAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a store there are no numbers of keys, and all else is there."""

    async def fails(*_: object) -> int:
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(live_admin.runtime.store, "count", fails)
    answer = live_admin.client.get(f"{live_admin.url}/metrics")

    assert 200 == answer.status_code
    assert not any(name == "keyfob_keys" for name, _ in samples(answer.text))
