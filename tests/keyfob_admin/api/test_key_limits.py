from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keyfob import APIKeyMiddleware
from keyfob.config.settings import load_settings
from keyfob.runtime.runtime import Runtime
from keyfob.testing import Installation, installation
from keyfob_admin.app import build_admin
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OPTIONS: dict[str, Any] = {
    "rules": {"GET /items": {"permission": "items:read", "limit": "heavy"}},
    "limits": {"standard": {"rate": "100/day"}, "heavy": {"rate": "10/day"}, "pool": {"rate": "500/day"}},
    "plans": {"enterprise": {"limits": ["standard"], "team_limits": ["pool"]}},
}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installation(tmp_path) as made:
        yield made


@pytest.fixture
async def runtime(here: Installation) -> AsyncIterator[Runtime]:
    runtime = Runtime(load_settings(None, environ={}, overrides={**here.options, **OPTIONS}))
    yield runtime
    await runtime.stop()


@pytest.fixture
async def admin(here: Installation, runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    root = await here.issue("*", key_type="admin")
    transport = httpx.ASGITransport(build_admin(runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://k.example", headers=root.headers) as client:
        yield client


async def items(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"[]"})


async def test_limits_are_shown_where_they_stand(
    here: Installation, runtime: Runtime, admin: httpx.AsyncClient
) -> None:
    """What other processes counted is seen: the limits of the key, of the rules and of the team."""
    issued = await here.issue("items:read")
    path = f"/v1/teams/default/keys/{issued.record.id}"
    guarded = APIKeyMiddleware(items, **OPTIONS, **here.options)
    statuses = [(await ask(guarded, "/items", issued.headers)).status for _ in range(12)]
    await guarded.runtime.stop()

    shown = (await admin.get(f"{path}/limits")).json()["limits"]
    usage = (await admin.get(f"{path}/usage?days=1")).json()["days"]
    reasons = (await admin.get(f"{path}/usage?days=1&by=reason")).json()["rows"]

    assert [
        ("standard-day", 100, 86_400, 90),
        ("heavy-day", 10, 86_400, 0),
        ("pool-day-team", 500, 86_400, 490),
    ] == [(one["name"], one["q"], one["w"], one["remaining"]) for one in shown]
    assert shown[0]["reset_at"].endswith("T00:00:00Z")
    assert [200] * 10 + [429] * 2 == statuses
    assert [(10, 0, 2)] == [(day["admitted"], day["denied"], day["limited"]) for day in usage]
    assert [("limited", 2)] == [(row["label"], row["limited"]) for row in reasons]


async def test_limits_are_set_and_raised(here: Installation, admin: httpx.AsyncClient) -> None:
    """A new key is given limits, and a patch changes and raises them; the key shows both."""
    body = {"name": "n", "permissions": ["items:read"], "limits": ["heavy"]}
    made = (await admin.post("/v1/teams/default/keys", json=body)).json()["key"]
    assert (["heavy"], None) == (made["limits"], made["limits_raised"])
    path = f"/v1/teams/default/keys/{made['id']}"
    until = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    raised = {"until": until.isoformat().replace("+00:00", "Z"), "factor": 2.5}

    changed = await admin.patch(path, json={"limits": ["standard"], "limits_raised": raised})
    shown = (await admin.get(f"{path}/limits")).json()["limits"]
    preview = await admin.post(f"{path}/preview", json={"patch": {"limits_raised": raised}})
    cleared = await admin.patch(path, json={"limits": None, "limits_raised": None})

    assert (200, 0) == (preview.status_code, preview.json()["refused"])
    assert (["standard"], raised) == (changed.json()["limits"], changed.json()["limits_raised"])
    assert [("standard-day", 250), ("heavy-day", 25), ("pool-day-team", 500)] == [
        (one["name"], one["q"]) for one in shown
    ]
    assert ([], None) == (cleared.json()["limits"], cleared.json()["limits_raised"])


async def test_who_may_only_lower_limits_is_told_so(here: Installation, admin: httpx.AsyncClient) -> None:
    """``limits:write`` without ``*`` raises nothing: 403 ``exceeds_own_limits``."""
    issued = await here.issue("items:read")
    lowerer = await here.issue("limits:write", key_type="admin")
    path = f"/v1/teams/default/keys/{issued.record.id}"
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    patches: list[dict[str, Any]] = [
        {"limits": ["standard", "heavy"]},
        {"limits_raised": {"until": until, "factor": 2}},
        {"name": "other"},
    ]
    answers = [await admin.patch(path, json=patch, headers=lowerer.headers) for patch in patches]

    assert [200, 403, 403] == [answer.status_code for answer in answers]
    assert ["exceeds_own_limits", "insufficient_scope"] == [answer.json()["code"] for answer in answers[1:]]


async def test_counts_that_nobody_can_read_are_503(here: Installation, admin: httpx.AsyncClient) -> None:
    """Where the file cannot be used, the call says so, and makes nothing up."""
    (here.folder / "keyfob.db-limits").mkdir()
    issued = await here.issue("items:read")

    answer = await admin.get(f"/v1/teams/default/keys/{issued.record.id}/limits")

    assert (503, "unavailable") == (answer.status_code, answer.json()["code"])
