"""What is said of a request that a limit or quota has no room for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.limits import valkey_counter
from keyfob.management.actor import Actor
from tests.keyfob.conftest import ask, on_both_stores
from tests.valkey_server import valkey_server

if TYPE_CHECKING:
    from keyfob import APIKeyMiddleware
    from keyfob.runtime.explanation import Explanation
    from keyfob.testing import Installation, Issued
    from tests.keyfob.conftest import Guard

ROOT = Actor.command_line("ada")
RULES: dict[str, object] = {
    "GET /items": "items:read",
    "GET /heavy": {"permission": "items:read", "limit": "heavy", "cost": 2},
    "GET /huge": {"permission": "items:read", "cost": 4},
    "GET /open": {"public": True},
}
PLAN: dict[str, Any] = {
    "rate": {"limits": ["few"]},
    "team rate": {"team_limits": ["few"]},
    "quota": {"quota": {"amount": 3, "every": "month"}},
    "team quota": {"team_quota": {"amount": 3, "every": "day"}},
    "rate and quota": {"limits": ["few"], "quota": {"amount": 3, "every": "month"}},
    "large quota": {"quota": {"amount": 3_000, "every": "month"}},
}
NAMES = {
    "rate": "Wait until T, or raise the limit few-day (3 in 86,400 seconds), which has no room for it.",
    "team rate": "Wait until T, or raise the limit few-day-team (3 in 86,400 seconds), which has no room for it.",
    "quota": "Wait until T, or raise the quota quota-month (3), which has no room for it.",
    "team quota": "Wait until T, or raise the quota quota-day-team (3), which has no room for it.",
}


def app_of(here: Installation, guard: Guard, plan: str, **more: Any) -> APIKeyMiddleware:
    limits = {"few": {"rate": "3/day"}, "heavy": {"rate": "4/day"}}
    return guard(
        rules=RULES, limits=limits, plans={"enterprise": PLAN[plan]}, limits_file=here.folder / "limits", **more
    )


async def explained(app: APIKeyMiddleware, issued: Issued, path: str = "/items") -> Explanation:
    """What a process says that has answered none of the requests."""
    return await app.runtime.explainer.request(issued.record.id, "GET", path, actor=ROOT)


def changes(found: Explanation) -> list[str]:
    return [re.sub(r"until \S+Z", "until T", one) for one in found.changes]


@pytest.mark.parametrize("plan", PLAN)
async def test_the_explanation_is_what_the_gate_does(here: Installation, guard: Guard, plan: str) -> None:
    """Request after request, by rate, quota or both, and whatever it costs; being asked takes nothing."""
    heard: list[Any] = []
    app, asked = app_of(here, guard, plan, on_denied=heard.append), app_of(here, guard, plan)
    issued = await here.issue("items:read")
    for path in ["/huge", "/items", "/heavy", "/huge", "/open", "/items", "/items", "/heavy"]:
        heard.clear()
        found = [await explained(asked, issued, path) for _ in range(2)][-1]
        status = (await ask(app, path, issued.headers)).status

        assert (status == 200, [one.reason for one in heard]) == (not found.changes, [found.reason][: len(heard)])
        assert (found.reason is None) is (status == 200)


async def test_being_asked_takes_nothing_in_valkey(
    here: Installation, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where hosts count together, an explanation counts no request either."""
    monkeypatch.setattr(valkey_counter, "PATIENCE", 60)
    issued = await here.issue("items:read")
    with valkey_server() as url:
        app = app_of(here, guard, "rate", limits_store=url)
        for _ in range(3):
            assert [None] * 4 == [(await explained(app, issued)).reason for _ in range(4)]
            assert 200 == (await ask(app, "/items", issued.headers)).status

        assert "limited" == (await explained(app, issued)).reason


@on_both_stores
@pytest.mark.parametrize("plan", NAMES)
async def test_what_has_no_room_is_named_with_when_it_has_some(here: Installation, guard: Guard, plan: str) -> None:
    """Its name, how much it is, and its end; of a team as of a key."""
    app = app_of(here, guard, plan)
    issued = await here.issue("items:read")
    for _ in range(3):
        await ask(app, "/items", issued.headers)

    assert [NAMES[plan]] == changes(await explained(app, issued))


async def test_what_never_has_room_is_not_waited_for(here: Installation, guard: Guard) -> None:
    """A request that counts more than its limit ever has is told so, beside what else is missing."""
    app = app_of(here, guard, "rate and quota")
    issued = await here.issue("items:write")

    found = await explained(app, issued, "/huge")

    assert "permission" == found.reason
    assert [
        "Give the key items:read.",
        "Raise the quota quota-month (3): this request counts 4.",
        "Raise the limit few-day (3 in 86,400 seconds): this request counts 4.",
    ] == changes(found)


async def test_what_a_worker_holds_counts_as_used(here: Installation, guard: Guard) -> None:
    """Of what nobody holds any more, because its worker was killed, nothing passes either."""
    app = app_of(here, guard, "quota")
    issued = await here.issue("items:read")
    await ask(app, "/items", issued.headers)
    (use,) = await here.store.quotas.at(int(app.runtime.now().timestamp()))
    await here.store.quotas.lease(use.counted, amount=3, least=2, most=2)

    assert "quota_exceeded" == (await explained(app, issued)).reason


async def test_limits_that_are_only_observed_refuse_nothing(here: Installation, guard: Guard) -> None:
    """As the gate, which only logs that one has no room."""
    app = app_of(here, guard, "rate", limits_mode="observe")
    issued = await here.issue("items:read")
    statuses = [(await ask(app, "/items", issued.headers)).status for _ in range(5)]

    assert ([200] * 5, None) == (statuses, (await explained(app, issued)).reason)


@pytest.mark.parametrize(("on_outage", "reason"), [("closed", "limits_unavailable"), ("local", None), ("open", None)])
async def test_limits_that_cannot_be_counted_are_judged_as_configured(
    here: Installation, guard: Guard, on_outage: str, reason: str | None
) -> None:
    """503 where that is configured, and else as if there were none."""
    (here.folder / "limits").write_bytes(b"something else")
    app = app_of(here, guard, "rate", limits_on_outage=on_outage)
    issued = await here.issue("items:read")
    status = (await ask(app, "/items", issued.headers)).status

    found = await explained(app, issued)

    assert (503 if reason else 200, reason) == (status, found.reason)
    assert bool(reason) is any("cannot be used" in one for one in found.changes)
