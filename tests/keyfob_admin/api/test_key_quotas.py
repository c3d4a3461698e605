from __future__ import annotations

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

MONTH = {"amount": 400, "every": "month"}
OPTIONS: dict[str, Any] = {
    "rules": {"GET /items": "items:read"},
    "plans": {
        "enterprise": {"quota": MONTH, "team_quota": {"amount": 900, "every": "day"}},
        "free": {"key_types": ["api"]},
    },
}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Installation]:
    async with installation(tmp_path) as made:
        yield made


@pytest.fixture
async def admin(here: Installation) -> AsyncIterator[httpx.AsyncClient]:
    runtime = Runtime(load_settings(None, environ={}, overrides={**here.options, **OPTIONS}))
    root = await here.issue("*", key_type="admin")
    transport = httpx.ASGITransport(build_admin(runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://k.example", headers=root.headers) as client:
        yield client
    await runtime.stop()


async def items(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"[]"})


async def passed(here: Installation, key: Any, count: int) -> int:
    """How many of *count* requests pass a worker that starts for them, and stops."""
    guarded = APIKeyMiddleware(items, **OPTIONS, **here.options)
    found = [(await ask(guarded, "/items", key.headers)).status for _ in range(count)]
    await guarded.runtime.stop()
    return found.count(200)


async def test_quotas_are_shown_where_they_stand(here: Installation, admin: httpx.AsyncClient) -> None:
    """What other processes used is seen, of the key's quota and of the team's; limits stand beside them."""
    issued, other = await here.issue("items:read"), await here.issue("items:read")
    await passed(here, issued, 7)
    await passed(here, other, 2)

    shown = (await admin.get(f"/v1/teams/default/keys/{issued.record.id}/limits")).json()

    assert [] == shown["limits"]
    assert [(400, 7), (900, 9)] == [(shown[name]["amount"], shown[name]["used"]) for name in ("quota", "team_quota")]
    assert shown["quota"]["period_ends_at"].endswith("-01T00:00:00Z")
    assert shown["team_quota"]["period_ends_at"].endswith("T00:00:00Z")


async def test_a_key_without_a_quota_has_none(here: Installation, admin: httpx.AsyncClient) -> None:
    """Null is shown, and there is nothing to add to: 409."""
    issued = await here.issue("items:read", team="small", plan="free")
    path = f"/v1/teams/small/keys/{issued.record.id}"

    shown = (await admin.get(f"{path}/limits")).json()
    added = await admin.post(f"{path}/quota", json={"add": 1})

    assert {"limits": [], "quota": None, "team_quota": None} == shown
    assert (409, "no_quota") == (added.status_code, added.json()["code"])


async def test_a_key_is_given_a_quota_of_its_own(here: Installation, admin: httpx.AsyncClient) -> None:
    """With a new key or by a patch; it is counted from then on, and null is the plan's again."""
    body = {"name": "n", "permissions": ["items:read"], "quota": {"amount": 5, "every": "day"}}
    made = (await admin.post("/v1/teams/default/keys", json=body)).json()["key"]
    assert {"amount": 5, "every": "day"} == made["quota"]
    issued = await here.issue("items:read")
    path = f"/v1/teams/default/keys/{issued.record.id}"
    changed = await admin.patch(path, json={"quota": {"amount": 3, "every": "month"}})
    assert {"amount": 3, "every": "month"} == changed.json()["quota"]
    assert 3 == await passed(here, issued, 5)

    cleared = await admin.patch(path, json={"quota": None})
    shown = (await admin.get(f"{path}/limits")).json()["quota"]

    assert (None, 400, 3) == (cleared.json()["quota"], shown["amount"], shown["used"])


async def test_more_is_given_for_the_present_period(here: Installation, admin: httpx.AsyncClient) -> None:
    """Added or set, it is in force at once; what was used stays used."""
    issued = await here.issue("items:read")
    path = f"/v1/teams/default/keys/{issued.record.id}"
    await admin.patch(path, json={"quota": {"amount": 2, "every": "month"}})
    assert 2 == await passed(here, issued, 3)
    added = (await admin.post(f"{path}/quota", json={"add": 3})).json()
    assert (5, 2) == (added["amount"], added["used"])
    assert 3 == await passed(here, issued, 4)

    lowered = (await admin.post(f"{path}/quota", json={"set": 1})).json()

    assert (1, 5, 0) == (lowered["amount"], lowered["used"], await passed(here, issued, 1))
    assert 1 == await passed(here, issued, 2) if (await admin.post(f"{path}/quota", json={"set": 6})).is_success else 0


async def test_more_is_given_once_however_often_it_is_asked(here: Installation, admin: httpx.AsyncClient) -> None:
    """A repeated request under one Idempotency-Key says how the quota stands; another caller's or key's is another."""
    issued, other = [await here.issue("items:read") for _ in range(2)]
    colleague = await here.issue("*", key_type="admin")
    path, headers = f"/v1/teams/default/keys/{issued.record.id}/quota", {"Idempotency-Key": "k-1"}
    first, again = [await admin.post(path, json={"add": 5}, headers=headers) for _ in range(2)]
    assert (200, 200, first.json(), 405) == (first.status_code, again.status_code, again.json(), first.json()["amount"])
    assert (None, "true") == (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"])

    mismatch = await admin.post(path, json={"add": 6}, headers=headers)
    of_other = await admin.post(path.replace(issued.record.id, other.record.id), json={"add": 5}, headers=headers)
    by_other = await admin.post(path, json={"add": 5}, headers=headers | colleague.headers)

    assert (422, "idempotency_mismatch") == (mismatch.status_code, mismatch.json()["code"])
    assert (405, 410) == (of_other.json()["amount"], by_other.json()["amount"])


async def test_rotation_neither_resets_nor_doubles(here: Installation, admin: httpx.AsyncClient) -> None:
    """Both keys of a rotation are counted as one."""
    issued = await here.issue("items:read")
    path = f"/v1/teams/default/keys/{issued.record.id}"
    await admin.patch(path, json={"quota": {"amount": 4, "every": "month"}})
    assert 1 == await passed(here, issued, 1)
    rotated = (await admin.post(f"{path}/rotate", json={})).json()
    guarded = APIKeyMiddleware(items, **OPTIONS, **here.options)
    keys = [issued.headers, {"X-API-Key": rotated["secret"]}] * 3
    found = [(await ask(guarded, "/items", headers)).status for headers in keys]
    await guarded.runtime.stop()

    assert ([200] * 3 + [429] * 3, {"amount": 4, "every": "month"}) == (found, rotated["key"]["quota"])


async def test_who_may_only_lower_is_told_so(here: Installation, admin: httpx.AsyncClient) -> None:
    """``limits:write`` without ``*`` gives no more: 403 ``exceeds_own_limits``."""
    issued, lowerer = await here.issue("items:read"), await here.issue("limits:write", key_type="admin")
    path = f"/v1/teams/default/keys/{issued.record.id}"
    adjustments = [{"add": -1}, {"set": 200}, {"add": 1}, {"set": 201}]
    found = [await admin.post(f"{path}/quota", json=body, headers=lowerer.headers) for body in adjustments]
    more = await admin.patch(path, json={"quota": {"amount": 401, "every": "month"}}, headers=lowerer.headers)

    assert [200, 200, 403, 403] == [answer.status_code for answer in found]
    assert {"exceeds_own_limits"} == {answer.json()["code"] for answer in (*found[2:], more)}


@pytest.mark.parametrize("body", [{}, {"add": 1, "set": 1}, {"set": -1}, {"add": 1.5}, {"add": "1"}, {"more": 1}])
async def test_an_adjustment_that_cannot_be_meant_is_refused(
    here: Installation, admin: httpx.AsyncClient, body: dict[str, object]
) -> None:
    """422, and nothing is changed."""
    issued = await here.issue("items:read")
    path = f"/v1/teams/default/keys/{issued.record.id}"

    assert 422 == (await admin.post(f"{path}/quota", json=body)).status_code
    assert 400 == (await admin.get(f"{path}/limits")).json()["quota"]["amount"]
