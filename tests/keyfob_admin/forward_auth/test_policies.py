from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.management.actor import Actor
from tests.keyfob_admin.forward_auth.conftest import TOLD, told

if TYPE_CHECKING:
    import httpx

    from tests.keyfob_admin.forward_auth.conftest import Gateway

ROOT = Actor.command_line("operator")
NOTHING = dict.fromkeys(TOLD, "")
EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE")


async def in_force(gateway: Gateway) -> None:
    """Wait until a change that has returned is promised to be in force: on SQLite, no time at all."""
    if not gateway.runtime.store.is_immediate:
        await asyncio.sleep(gateway.runtime.settings.max_staleness)


async def test_a_good_key_passes_and_the_application_is_told_whose_it_is(gateway: Gateway) -> None:
    """200 carries the key's id, name, type, team and permissions, and no body."""
    key = await gateway.here.issue("invoices:write", "invoices:read", name="nightly export")

    answer = await gateway.ask("/invoices/7?year=2026", key)

    assert (200, b"") == (answer.status_code, answer.content)
    assert {
        "x-keyfob-key-id": key.record.id,
        "x-keyfob-key-name": "nightly export",
        "x-keyfob-key-type": "api",
        "x-keyfob-team": "default",
        "x-keyfob-permissions": "invoices:read, invoices:write",
    } == told(answer)
    assert "no-store" == answer.headers["cache-control"]


@pytest.mark.parametrize("query", ["?", "?x=/open", "?a=b?c#d", "?../..//%2f%00", "?\xfc"])
async def test_the_query_counts_for_nothing(gateway: Gateway, query: str) -> None:
    """Whatever stands behind the question mark, the rule of the path before it decides."""
    assert 200 == (await gateway.ask(f"/open{query}")).status_code
    assert 401 == (await gateway.ask(f"/invoices{query}")).status_code
    key = await gateway.here.issue("invoices:read")
    assert [200, 403] == [(await gateway.ask(path + query, key)).status_code for path in ("/invoices", "/nowhere")]


async def test_what_is_public_passes_with_empty_headers(gateway: Gateway) -> None:
    """On a public path all headers are there and empty, so that what a client claims in them is overwritten."""
    claimed = [("X-Keyfob-Team", "acme"), ("X-Keyfob-Key-Id", "0" * 16)]

    answer = await gateway.ask("/open", headers=claimed)

    assert (200, NOTHING) == (answer.status_code, told(answer))


@pytest.mark.parametrize(("name", "expected"), [("Büro 100 %", "B%C3%BCro 100 %25"), ("鍵 1", "%E9%8D%B5 1")])
async def test_a_name_is_written_so_that_a_header_can_hold_it(gateway: Gateway, name: str, expected: str) -> None:
    """What is not printable ASCII is percent-encoded UTF-8, and so is the percent sign."""
    key = await gateway.here.issue("invoices:read", name=name)

    assert expected == (await gateway.ask("/invoices", key)).headers["x-keyfob-key-name"]


async def test_each_refusal_is_the_middlewares_own(gateway: Gateway) -> None:
    """Status, challenge and problem are what the middleware would have answered."""
    reader, scim = await gateway.here.issue("invoices:read"), await gateway.here.issue(key_type="scim")
    dead = await gateway.here.issue("invoices:read", expires_at=datetime.now(UTC) - timedelta(seconds=1))

    missing = await gateway.ask("/invoices")
    expired = await gateway.ask("/invoices", dead)
    lacking = await gateway.ask("/invoices", reader, method="POST")
    twice = await gateway.ask("/invoices", reader, headers=[("X-API-Key", reader.text)])

    assert (401, "missing_key") == (missing.status_code, missing.json()["code"])
    assert 'Bearer realm="keyfob"' == missing.headers["www-authenticate"]
    assert (401, "invalid_key") == (expired.status_code, expired.json()["code"])
    assert (403, 'scope="invoices:write"') == (lacking.status_code, lacking.headers["www-authenticate"][-22:])
    assert (400, "invalid_request") == (twice.status_code, twice.json()["code"])
    assert [403, 403, 200] == [
        (await gateway.ask(path, key)).status_code
        for path, key in (("/nowhere", reader), ("/invoices", scim), ("/scim/Users", scim))
    ]
    assert not any(name in missing.headers for name in (*TOLD, "x-keyfob-reason"))


async def test_a_disabled_key_is_refused_at_the_next_question(gateway: Gateway) -> None:
    """What is revoked is refused at once here, too, and what is enabled again passes again."""
    key = await gateway.here.issue("invoices:read")
    assert 200 == (await gateway.ask("/invoices", key)).status_code

    await gateway.here.disable(key)
    assert 401 == (await gateway.ask("/invoices", key)).status_code

    await gateway.here.enable(key)
    assert 200 == (await gateway.ask("/invoices", key)).status_code


@pytest.mark.both_engines
async def test_what_the_key_and_its_team_carry_is_told_and_changes_like_a_disable(gateway: Gateway) -> None:
    """External id, plan and metadata (JSON as base64url) are those of the key over those of its team, and as new."""
    key = await gateway.here.issue("invoices:read")
    runtime = gateway.runtime

    async def handed_on() -> tuple[str, str, object]:
        answer = await gateway.ask("/invoices", key)
        told = answer.headers["x-keyfob-metadata"]
        metadata = json.loads(base64.urlsafe_b64decode(told + "=" * (-len(told) % 4))) if told else None
        return answer.headers["x-keyfob-external-id"], answer.headers["x-keyfob-plan"], metadata

    assert ("", "enterprise", None) == await handed_on()
    patch = {"external_id": "org 1", "metadata": {"seats": 5, "city": "Zürich 🏔"}}
    await runtime.teams.update("default", patch, actor=ROOT)
    await in_force(gateway)
    assert ("org 1", "enterprise", {"seats": 5, "city": "Zürich 🏔"}) == await handed_on()
    patch = {"external_id": " job~7", "metadata": {"seats": 6}}
    await runtime.lifecycle.update("default", key.record.id, patch, actor=ROOT)
    await in_force(gateway)
    assert ("%20job~7", "enterprise", {"seats": 6, "city": "Zürich 🏔"}) == await handed_on()


async def test_a_rule_may_demand_the_keys_own_team(gateway: Gateway) -> None:
    """A parameter of the path that a rule ties to the team is compared with it."""
    key = await gateway.here.issue("invoices:read", team="acme")

    assert [200, 403] == [(await gateway.ask(f"/teams/{team}", key)).status_code for team in ("acme", "globex")]


async def test_what_the_gateway_asks_is_judged_not_how_it_asks(gateway: Gateway) -> None:
    """Any method of the question will do, and what stands behind the policy's name counts for nothing."""
    key = await gateway.here.issue("invoices:read")
    headers = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/invoices"), ("X-Forwarded-For", "203.0.113.9")]
    headers.append(("Authorization", f"Bearer {key.text}"))

    for method in EVERY_METHOD:
        for path in ("/v1/forward-auth/billing", "/v1/forward-auth/billing/invoices/new?x=1"):
            assert 200 == (await gateway.send(path, headers, method=method)).status_code

    headers[1] = ("X-Forwarded-Uri", "/nowhere")
    assert 403 == (await gateway.send("/v1/forward-auth/billing/invoices", headers)).status_code


async def test_there_is_nothing_where_there_is_no_policy(gateway: Gateway) -> None:
    """A policy that is not configured is 404, and no key is looked at for it."""
    key = await gateway.here.issue("invoices:read")

    answer = await gateway.ask("/invoices", key, policy="biling")

    assert (404, "not_found") == (answer.status_code, answer.json()["code"])
    assert 0 == gateway.runtime.stats.store_reads


async def test_uses_are_counted_with_the_clients_address(gateway: Gateway) -> None:
    """The key's last use has the address that the gateway tells, and questions count like requests."""
    key = await gateway.here.issue("invoices:read")

    assert 200 == (await gateway.ask("/invoices", key, client="198.51.100.7")).status_code
    assert 403 == (await gateway.ask("/nowhere", key)).status_code
    await gateway.runtime.usage.flush(gateway.runtime.store)
    view = await gateway.runtime.store.view(key.record.id)

    assert view is not None
    assert view.last_used is not None
    assert "203.0.113.9" == view.last_used.ip
    assert (1, 1) == (gateway.runtime.stats.admitted, gateway.runtime.stats.denied)


def size_of(answer: httpx.Response) -> int:
    """The bytes of all X-Keyfob-* headers, as they go over the wire."""
    return sum(len(f"{name}: {value}\r\n") for name, value in answer.headers.items() if name.startswith("x-keyfob-"))


@pytest.mark.parametrize("count", [1, 100, 154, 155, 156, 157, 158, 159, 160, 200])
@pytest.mark.parametrize("name", ["short", "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 100, "\U0001f511" * 100])
async def test_ff_22_the_headers_together_never_exceed_16_kib(gateway: Gateway, count: int, name: str) -> None:
    """Permissions beyond 16 KiB are left out whole, in the order of the list, and a header says that some are."""
    held = [f"invoices:{number:03}{'x' * 88}" for number in range(count)]
    key = await gateway.here.issue("invoices:*", *held, name=name)

    answer = await gateway.ask("/invoices", key)

    assert 200 == answer.status_code
    listed = answer.headers["x-keyfob-permissions"].split(", ")
    assert ["invoices:*", *held][: len(listed)] == listed
    assert size_of(answer) <= 16 * 1024
    omitted = len(held) + 1 - len(listed)
    assert ("1" if omitted else None) == answer.headers.get("x-keyfob-permissions-omitted")
    if omitted:
        assert size_of(answer) + len(", ") + len(held[-1]) > 16 * 1024
