from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from keyfob_admin.app import build_admin
from tests.keyfob_admin.forward_auth.conftest import POLICIES, Gateway, configured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfob.testing import Installation

LIMITED: dict[str, Any] = {
    "limits": {"one": {"rate": "1/day"}},
    "plans": {"enterprise": {"limits": ["one"]}},
}


@pytest.fixture
async def gateway(here: Installation) -> AsyncIterator[Gateway]:
    runtime = configured(here, POLICIES, **LIMITED)
    yield Gateway(build_admin(runtime), runtime, here)
    await runtime.stop()


async def test_a_gateway_learns_of_limits(gateway: Gateway) -> None:
    """A 200 says what is left, and what is beyond is 429 with everything the client needs."""
    key = await gateway.here.issue("invoices:read")
    first, second = await gateway.ask("/invoices", key), await gateway.ask("/invoices", key)

    assert [(200, '"one-day";q=1;w=86400'), (429, '"one-day";q=1;w=86400')] == [
        (answer.status_code, answer.headers["ratelimit-policy"]) for answer in (first, second)
    ]
    assert first.headers["ratelimit"].startswith('"one-day";r=0;t=')
    assert "rate_limited" == second.json()["code"]
    assert int(second.headers["retry-after"]) > 0


async def test_nginx_learns_of_it_in_headers(gateway: Gateway) -> None:
    """What nginx cannot pass on is 403, with the code and the problem in headers."""
    key = await gateway.here.issue("orders:read")
    await gateway.ask("/orders", key, policy="shop")
    answer = await gateway.ask("/orders", key, policy="shop")

    problem = json.loads(answer.headers["x-keyfob-problem"])
    assert (403, "rate_limited") == (answer.status_code, answer.headers["x-keyfob-reason"])
    assert (429, 16) == (problem["status"], len(problem["request_id"]))
    assert {"ratelimit", "ratelimit-policy", "retry-after"} <= answer.headers.keys()


async def test_a_gateway_learns_of_quotas(here: Installation) -> None:
    """A quota is counted and answered as in the middleware."""
    plans = {"enterprise": {"quota": {"amount": 1, "every": "day"}}}
    runtime = configured(here, POLICIES, plans=plans)
    gateway = Gateway(build_admin(runtime), runtime, here)
    key = await here.issue("invoices:read")
    first, second = await gateway.ask("/invoices", key), await gateway.ask("/invoices", key)
    await runtime.stop()

    assert [(200, '"quota-day";q=1;w=86400'), (429, '"quota-day";q=1;w=86400')] == [
        (answer.status_code, answer.headers["ratelimit-policy"]) for answer in (first, second)
    ]
    assert ("quota_exceeded", True) == (second.json()["code"], int(second.headers["retry-after"]) > 0)
