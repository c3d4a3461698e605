"""nginx's auth_request knows 2xx, 401 and 403; whatever else it is answered, its client gets a 500."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.keyfob_admin.forward_auth.conftest import Gateway


async def test_what_nginx_can_hand_on_stays_as_it_is(gateway: Gateway) -> None:
    """401 with its challenge and 403 are answered as everywhere, and give no reason in a header."""
    key = await gateway.here.issue("orders:write")

    missing = await gateway.ask("/orders", policy="shop")
    forbidden = await gateway.ask("/orders", key, policy="shop")

    assert [401, 403] == [missing.status_code, forbidden.status_code]
    assert ["missing_key", "insufficient_scope"] == [missing.json()["code"], forbidden.json()["code"]]
    assert 'Bearer realm="keyfob"' == missing.headers["www-authenticate"]
    assert not {"x-keyfob-reason"} & {*missing.headers, *forbidden.headers}


async def test_what_nginx_would_make_a_500_is_403_with_its_reason(gateway: Gateway) -> None:
    """400 and 503 are answered 403, and X-Keyfob-Reason says which it was, as the problem does."""
    key = await gateway.here.issue("orders:read")

    path = await gateway.ask("/orders//7", key, policy="shop")
    twice = await gateway.ask("/orders", key, policy="shop", headers=[("X-API-Key", key.text)])
    untold = await gateway.send("/v1/forward-auth/shop", [("X-Original-Method", "GET")])

    answers = [path, twice, untold]
    assert [403] * 3 == [answer.status_code for answer in answers]
    assert [403] * 3 == [answer.json()["status"] for answer in answers]
    reasons = ["invalid_path", "invalid_request", "invalid_request"]
    assert reasons == [answer.headers["x-keyfob-reason"] for answer in answers]
    assert reasons == [answer.json()["code"] for answer in answers]


async def test_sf_01_without_its_database_nothing_passes_but_what_is_public(gateway: Gateway) -> None:
    """A store that cannot answer is 503, for nginx 403 with that reason; public paths stay up."""
    key = await gateway.here.issue("orders:read", "invoices:read")
    (gateway.here.folder / "keyfob.db").rename(gateway.here.folder / "elsewhere.db")

    full = await gateway.ask("/invoices", key)
    nginx = await gateway.ask("/orders", key, policy="shop")

    assert (503, "1", "unavailable") == (full.status_code, full.headers["retry-after"], full.json()["code"])
    assert (403, "unavailable") == (nginx.status_code, nginx.headers["x-keyfob-reason"])
    assert [200, 200] == [(await gateway.ask("/open", policy=policy)).status_code for policy in ("billing", "shop")]


async def test_ff_23_nginx_gets_in_a_header_what_it_drops_with_the_body(gateway: Gateway) -> None:
    """X-Keyfob-Problem is the body that every other gateway hands on, with the status that it should have."""
    key = await gateway.here.issue("orders:write")

    answers = [
        await gateway.ask("/orders", policy="shop"),
        await gateway.ask("/orders", key, policy="shop"),
        await gateway.ask("/orders//7", key, policy="shop"),
        await gateway.ask("/orders", key, policy="shop", headers=[("X-API-Key", key.text)]),
    ]

    problems = [json.loads(answer.headers["x-keyfob-problem"]) for answer in answers]
    assert [
        (401, "missing_key"),
        (403, "insufficient_scope"),
        (400, "invalid_path"),
        (400, "invalid_request"),
    ] == [(problem["status"], problem["code"]) for problem in problems]
    assert (await gateway.ask("/invoices")).content.decode() == answers[0].headers["x-keyfob-problem"]
    assert "x-keyfob-problem" not in (await gateway.ask("/invoices")).headers
