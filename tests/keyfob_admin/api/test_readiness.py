"""``/readyz?verbose``: who may read it, and what it says. Without ``verbose`` nothing but the word is said."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keyfob.config.notices import NoticeSettings
from keyfob.config.settings import load_settings
from keyfob.errors import StoreUnavailable
from keyfob.runtime.runtime import Runtime
from keyfob_admin.app import build_admin
from tests.keyfob_admin.api.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keyfob.config.settings import Settings
    from tests.keyfob_admin.api.conftest import LiveAdmin

STANDARD = {"limits": {"standard": {"rate": "100/min"}}}


pytestmark = pytest.mark.usefixtures("root")  # a new installation


@contextmanager
def server(settings: Settings, *receivers: NoticeSettings, **more: object) -> Iterator[tuple[str, Runtime]]:
    """The admin API over the installation, with more settings."""
    assert settings.store_url is not None
    places = {"store": settings.store_url.text, "keyring": settings.keyring}
    made = load_settings(environ={}, overrides={**places, **more})
    runtime = Runtime(replace(made, notices=receivers))
    with serving(build_admin(runtime)) as url:
        yield url, runtime


def detail(url: str) -> dict[str, Any]:
    """What a ready server says in detail."""
    answer = httpx.get(f"{url}/readyz?verbose")
    assert (200, "no-store") == (answer.status_code, answer.headers["cache-control"])
    found: dict[str, Any] = answer.json()["detail"]
    return found


def test_the_detail_says_what_the_process_knows(settings: Settings, tmp_path: Path) -> None:
    """Database, staleness, signal, workers, limits and notices."""
    receiver = NoticeSettings(events=("*",), log=True)
    with server(settings, receiver, **STANDARD, limits_file=tmp_path / "limits") as (url, runtime):
        found = detail(url)

    assert ("sqlite", "read", 0) == (found["database"], found["change_signal"], found["workers_unreached"])
    assert (1, 0, 0) == (found["workers"], found["failed_reads"], found["failed_usage_writes"])
    assert runtime.freshness.revision >= found["revision"] >= 0
    assert 0 <= found["staleness"]
    assert 2.0 == found["max_staleness"]
    assert {"counted_in": "file", "reachable": True, "problem": None} == found["limits"]
    assert {"waiting": 0, "given_up": 0} == found["notices"]


def test_what_is_not_in_use_is_null(settings: Settings) -> None:
    """Without limits and notices nothing is said of them."""
    with server(settings) as (url, _):
        found = detail(url)

    assert (None, None) == (found["limits"], found["notices"])


@pytest.mark.parametrize("outage", ["local", "open", "closed"])
def test_the_detail_asks_for_limits_itself(settings: Settings, tmp_path: Path, outage: str) -> None:
    """A server that counted nothing yet finds out that Valkey is away, whatever happens to requests then."""
    away = {"limits_store": "valkey://127.0.0.1:1/0", "limits_on_outage": outage, "limits_file": tmp_path / "limits"}
    with server(settings, **STANDARD, **away) as (url, _):
        short = httpx.get(f"{url}/readyz").json()
        found = detail(url)["limits"]
        after = httpx.get(f"{url}/readyz").json()

    assert {"status": "ok"} == short
    assert ("valkey", False) == (found["counted_in"], found["reachable"])
    assert [found["problem"]] == after["warnings"]


def test_an_unusable_file_of_limits_is_named(settings: Settings, tmp_path: Path) -> None:
    """Something else in the place of the file is a problem, not a failure of the answer."""
    (tmp_path / "limits").mkdir()
    with server(settings, **STANDARD, limits_file=tmp_path / "limits") as (url, _):
        found = detail(url)["limits"]

    assert ("file", False) == (found["counted_in"], found["reachable"])
    assert "limits cannot be counted" in found["problem"]


def test_without_a_store_the_detail_is_503_with_what_is_known(
    live_admin: LiveAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the database would have to say is null; the rest is there."""

    async def fails(*_: object) -> None:
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(live_admin.runtime.store, "changes", fails)
    monkeypatch.setattr(type(live_admin.runtime.store.workers), "all", fails)
    answer = live_admin.client.get(f"{live_admin.url}/readyz?verbose=true")
    short = live_admin.client.get(f"{live_admin.url}/readyz")

    assert (503, "1", "unavailable") == (
        answer.status_code,
        answer.headers["retry-after"],
        answer.json()["status"],
    )
    assert (None, "sqlite") == (answer.json()["detail"]["workers"], answer.json()["detail"]["database"])
    assert {"status": "unavailable"} == short.json()


def test_the_detail_is_guarded_as_the_metrics_are(live_admin: LiveAdmin) -> None:
    """From elsewhere it needs metrics:read, and a key that is sent must be good; the word alone needs nothing."""
    reader = live_admin.make_admin("metrics:read").secret
    other = live_admin.make_admin("keys:read").secret
    api_key = live_admin.make().secret

    def status(query: str, **headers: str) -> int:
        forwarded = {"X-Forwarded-For": "198.51.100.7", **headers}
        return live_admin.client.get(f"{live_admin.url}/readyz{query}", headers=forwarded).status_code

    missing = live_admin.client.get(f"{live_admin.url}/readyz?verbose", headers={"Via": "1.1 proxy"})
    assert (401, "missing_key") == (missing.status_code, missing.json()["code"])
    assert 'Bearer realm="keyfob"' == missing.headers["www-authenticate"]
    assert [401, 401, 401, 401] == [status(query) for query in ("?verbose", "?verbose=1", "?verbos%65", "?&verbose=")]
    assert [200, 403, 403, 401] == [
        status("?verbose", Authorization=f"Bearer {key}") for key in (reader, other, api_key, "kf_api_junk")
    ]
    assert [200, 200] == [status(""), status("", Authorization="Bearer kf_api_junk")]
    assert 422 == live_admin.client.get(f"{live_admin.url}/readyz?verbose=perhaps").status_code
