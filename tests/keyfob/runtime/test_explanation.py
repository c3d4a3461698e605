"""Why a request is refused, and what would change that."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import Forbidden, Invalid, NotFound
from keyfob.keys.record import State
from keyfob.management.actor import Actor
from tests.keyfob.conftest import RULES, ask

if TYPE_CHECKING:
    from keyfob.testing import Installation, Issued
    from tests.keyfob.conftest import Guard

ROOT = Actor.command_line("ada")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MORE_RULES = {**RULES, "GET /both": {"any_of": ["items:write", "docs:secret"]}}

REQUESTS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "GET", "/items"),
    ({}, "GET", "/items/7"),
    ({}, "POST", "/items"),
    ({}, "GET", "/both"),
    ({}, "GET", "/open"),
    ({}, "GET", "/nowhere"),
    ({}, "GET", "/scim"),
    ({}, "GET", "/items//7"),
    ({}, "get me", "/items"),
    ({}, "GET", "/teams/other/members"),
    ({"permissions": ("*",)}, "GET", "/teams/other/members"),
    ({"permissions": ("*",)}, "GET", "/teams/default/members"),
    ({"ip_allow": ("10.0.0.0/8",)}, "GET", "/items"),
    ({"ip_allow": ("203.0.113.0/24",)}, "GET", "/items"),
    ({"disabled_at": LONG_AGO}, "GET", "/items"),
    ({"expires_at": LONG_AGO}, "POST", "/items"),
    ({"key_type": "scim"}, "GET", "/scim"),
    ({"key_type": "scim"}, "GET", "/items"),
]


@pytest.mark.parametrize(("fields", "method", "path"), REQUESTS)
async def test_an_explanation_says_what_the_gate_does(
    here: Installation, guard: Guard, fields: dict[str, Any], method: str, path: str
) -> None:
    """Whatever the key and the request are, the reason is that of the gate, and so is the absence of one."""
    heard: list[Any] = []
    app = guard(rules=MORE_RULES, on_denied=heard.append)
    issued = await here.issue("items:read", **fields)

    status = (await ask(app, path, issued.headers, method=method)).status
    found = await app.runtime.explainer.request(issued.record.id, method, path, "203.0.113.9", actor=ROOT)

    assert (status == 200, [denied.reason for denied in heard]) == (
        found.reason is None,
        [found.reason] if found.reason else [],
    )
    assert bool(found.changes) == (status != 200)
    assert found.public is (path == "/open")


async def explained(guard: Guard, issued: Issued, method: str, path: str, ip: str | None = None) -> Any:
    app = guard(rules=MORE_RULES)
    return await app.runtime.explainer.request(issued.record.id, method, path, ip, actor=ROOT)


async def test_everything_that_is_missing_is_said_at_once(here: Installation, guard: Guard) -> None:
    """Not only the first obstacle: who takes that away would run into the next one."""
    issued = await here.issue("items:read", disabled_at=LONG_AGO, expires_at=LONG_AGO, ip_allow=("10.0.0.0/8",))

    found = await explained(guard, issued, "POST", "/items", "203.0.113.9")

    assert ("POST /items", ("items:write",), ("items:write",), State.DISABLED) == (
        found.rule,
        found.needed,
        found.missing,
        found.state,
    )
    assert (
        "Enable the key.",
        "Give the key a later end, or use another one.",
        "Send it from 10.0.0.0/8, or add 203.0.113.9 to the key's addresses.",
        "Give the key items:write.",
    ) == found.changes


async def test_one_of_several_permissions_is_said_to_be_enough(here: Installation, guard: Guard) -> None:
    """A rule that any of its permissions satisfies does not ask for all of them."""
    found = await explained(guard, await here.issue("items:read"), "GET", "/both")

    assert ("Give the key one of items:write, docs:secret.",) == found.changes


async def test_without_an_address_none_is_judged(here: Installation, guard: Guard) -> None:
    """Who does not say from where asks about everything else."""
    issued = await here.issue("items:read", ip_allow=("10.0.0.0/8",))

    assert (await explained(guard, issued, "GET", "/items")).reason is None


async def test_a_suspended_key_names_its_plan(here: Installation, guard: Guard) -> None:
    """The key may be perfect, and its team's plan not have its type."""
    found = await explained(guard, await here.issue("items:read", team="small", plan="teams"), "GET", "/items")

    assert ("suspended", State.SUSPENDED) == (found.reason, found.state)
    assert ("Give the team a plan with keys of type api; teams has none.",) == found.changes


async def test_a_refusal_is_explained_by_its_id(here: Installation, guard: Guard) -> None:
    """By what its rule demanded, and by what the key is now: also when nothing is missing any more."""
    app = guard()
    issued = await here.issue("items:read")
    refused = await ask(app, "/items", issued.headers, method="POST")
    request_id = json.loads(refused.body)["request_id"]
    await app.runtime.usage.flush(app.runtime.store)

    found = await app.runtime.explainer.refusal(request_id, actor=ROOT)
    await here.change(issued, permissions=("items:write",))
    later = await app.runtime.explainer.refusal(request_id, actor=ROOT)

    assert ("POST", "/items", "203.0.113.9", "permission", "POST /items", ("items:write",)) == (
        found.method,
        found.path,
        found.ip,
        found.reason,
        found.rule,
        found.missing,
    )
    assert found.refused_at is not None
    assert datetime.now(UTC) - found.refused_at < timedelta(hours=1)
    assert (("Give the key items:write.",), ()) == (found.changes, later.missing)
    assert ("Nothing: since then the key has become able to do this.",) == later.changes


async def test_explaining_obeys_the_callers_team_and_permission(here: Installation, guard: Guard) -> None:
    """Another team's key and refusal are not found; who may not read keys is told so first."""
    app = guard()
    issued = await here.issue("items:read")
    refused = await ask(app, "/nowhere", issued.headers)
    request_id = json.loads(refused.body)["request_id"]
    await app.runtime.usage.flush(app.runtime.store)
    explainer, key_id = app.runtime.explainer, issued.record.id
    stranger = Actor("key", "0" * 16, "reader", "other", frozenset({"keys:read"}))
    writer = Actor("key", "0" * 16, "writer", "default", frozenset({"keys:write"}))

    for refuses, actor in ((NotFound, stranger), (Forbidden, writer)):
        with pytest.raises(refuses):
            await explainer.request(key_id, "GET", "/items", actor=actor)
        with pytest.raises(refuses):
            await explainer.refusal(request_id, actor=actor)
    for nothing in ("0" * 16, "", "no key"):
        with pytest.raises(NotFound):
            await explainer.request(nothing, "GET", "/items", actor=ROOT)
    with pytest.raises(NotFound):
        await explainer.refusal("0" * 16, actor=ROOT)


@pytest.mark.parametrize(("path", "ip"), [("items", None), ("", None), ("/items", "nowhere")])
async def test_what_no_request_can_be_is_invalid(here: Installation, guard: Guard, path: str, ip: str | None) -> None:
    """A path begins with a slash, and an address is one."""
    with pytest.raises(Invalid):
        await explained(guard, await here.issue("items:read"), "GET", path, ip)
