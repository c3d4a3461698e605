from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import ConfigError
from keyfob.limits.windows import NS
from keyfob.management.actor import Actor
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob import APIKeyMiddleware
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Answer, Echo, Guard

NOON = 20_000 * 86_400 * NS + 12 * 3600 * NS
LIMITS = {"standard": {"rate": ["3/min", "100/day"]}, "heavy": {"rate": "2/min"}, "pool": {"rate": "4/min"}}
RULES: dict[str, object] = {
    "GET /items": "items:read",
    "GET /heavy": {"permission": "items:read", "limit": "heavy"},
    "GET /costly": {"permission": "items:read", "cost": 2},
    "GET /admin": {"permission": "items:read", "key_types": ["admin", "api"]},
    "/open": {"public": True},
    "WS /ws": "items:read",
}
EACH = {"enterprise": {"limits": ["standard"]}}
POOL = {"enterprise": {"limits": ["standard"], "team_limits": ["pool"]}}


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time at which limits count; it moves when told to."""
    now = [NOON]
    monkeypatch.setattr("keyfob.runtime.rate_limits.CLOCK", lambda: now[0])
    return now


async def statuses(app: APIKeyMiddleware, path: str, headers: dict[str, str], count: int) -> list[int]:
    return [(await ask(app, path, headers)).status for _ in range(count)]


async def beyond(app: APIKeyMiddleware, headers: dict[str, str]) -> Answer:
    """The first answer that is beyond the limit of three a minute."""
    assert [200] * 3 == await statuses(app, "/items", headers, 3)
    return await ask(app, "/items", headers)


async def test_a_key_is_limited_as_its_plan_says(here: Installation, guard: Guard, noon: list[int]) -> None:
    """What is beyond is 429, until the window before weighs little enough; other keys have their own count."""
    app = guard(rules=RULES, limits=LIMITS, plans=EACH)
    one, other = await here.issue("items:read"), await here.issue("items:read")

    assert [200, 200, 200, 429, 429] == await statuses(app, "/items", one.headers, 5)
    assert [200, 200, 200, 429] == await statuses(app, "/items", other.headers, 4)
    noon[0] += 81 * NS
    assert [200, 429] == await statuses(app, "/items", one.headers, 2)


async def test_the_refusal_says_when_to_come_back(here: Installation, guard: Guard) -> None:
    """A 429 is a problem with an id, Retry-After and the fields of the draft; a 200 has the fields, too."""
    app = guard(rules=RULES, limits=LIMITS, plans=EACH)
    issued = await here.issue("items:read")
    first = await ask(app, "/items", issued.headers)
    assert '"standard-min";q=3;w=60, "standard-day";q=100;w=86400' == first.headers["ratelimit-policy"]
    assert '"standard-min";r=2;t=60, "standard-day";r=99;t=43200' == first.headers["ratelimit"]
    await statuses(app, "/items", issued.headers, 2)

    refused = await ask(app, "/items", issued.headers)

    problem = json.loads(refused.body)
    assert (429, 429, "rate_limited", "Too Many Requests") == (
        refused.status,
        problem["status"],
        problem["code"],
        problem["title"],
    )
    assert 16 == len(problem["request_id"])
    assert str(len(refused.body)) == refused.headers["content-length"]
    assert "application/problem+json" == refused.headers["content-type"]
    assert ("no-store", "80") == (refused.headers["cache-control"], refused.headers["retry-after"])
    assert '"standard-min";r=0;t=60, "standard-day";r=97;t=43200' == refused.headers["ratelimit"]
    assert "www-authenticate" not in refused.headers


@pytest.mark.parametrize(
    ("when", "on"), [("always", (True, True)), ("refusals", (False, True)), ("never", (False,) * 2)]
)
async def test_the_fields_can_be_left_out(here: Installation, guard: Guard, when: str, on: tuple[bool, bool]) -> None:
    """Who wants to tell less says so; Retry-After stays."""
    app = guard(rules=RULES, limits=LIMITS, plans=EACH, ratelimit_headers=when)
    issued = await here.issue("items:read")
    passed = await ask(app, "/items", issued.headers)
    await statuses(app, "/items", issued.headers, 2)
    refused = await ask(app, "/items", issued.headers)

    assert on == ("ratelimit" in passed.headers, "ratelimit" in refused.headers)
    assert on == ("ratelimit-policy" in passed.headers, "ratelimit-policy" in refused.headers)
    assert "retry-after" in refused.headers


async def test_a_team_has_one_purse(here: Installation, guard: Guard) -> None:
    """Limits of the team are shared by all of its keys, under a name of their own."""
    app = guard(rules=RULES, limits=LIMITS, plans=POOL)
    one, two = await here.issue("items:read"), await here.issue("items:read")
    assert [200] * 3 == await statuses(app, "/items", one.headers, 3)
    last = await ask(app, "/items", two.headers)
    refused = await ask(app, "/items", two.headers)

    assert '"standard-min";r=2;t=60, "standard-day";r=99;t=43200, "pool-min-team";r=0;t=60' == last.headers["ratelimit"]
    assert 429 == refused.status
    assert last.headers["ratelimit"] == refused.headers["ratelimit"]  # nothing was taken


async def test_a_rule_adds_its_own_limit_and_cost(here: Installation, guard: Guard) -> None:
    """A rule's limit is counted for each key beside the plan's, and a cost counts against all of them."""
    app = guard(rules=RULES, limits=LIMITS, plans=EACH)
    one, two = await here.issue("items:read"), await here.issue("items:read")

    assert [200, 200, 429] == await statuses(app, "/heavy", one.headers, 3)
    assert [200, 429] == await statuses(app, "/items", one.headers, 2)
    assert [200, 429] == await statuses(app, "/costly", two.headers, 2)
    assert [200, 429] == await statuses(app, "/items", two.headers, 2)


async def test_a_rule_limits_keys_that_have_no_limits(here: Installation, guard: Guard) -> None:
    """Where only a rule has a limit, other rules of the same key are not counted."""
    app = guard(rules=RULES, limits=LIMITS)
    issued = await here.issue("items:read")

    assert [200] * 9 == await statuses(app, "/items", issued.headers, 9)
    assert [200, 200, 429, 429] == await statuses(app, "/heavy", issued.headers, 4)
    assert "ratelimit" not in (await ask(app, "/items", issued.headers)).headers


async def test_admin_keys_have_no_limits_of_a_plan(here: Installation, guard: Guard) -> None:
    """The way in when all else fails is not closed by a limit."""
    app = guard(rules=RULES, limits=LIMITS, plans=POOL)
    admin = await here.issue("items:read", key_type="admin")

    assert [200] * 9 == await statuses(app, "/admin", admin.headers, 9)


async def test_a_key_with_limits_never_takes_the_short_way(here: Installation, guard: Guard) -> None:
    """A key of the same type and permissions that has no limits does not open the way for one that has."""
    plans = {"free": {"limits": ["standard"]}}
    app = guard(rules=RULES, limits=LIMITS, plans=plans)
    limited = await here.issue("items:read", plan="free", team="small")
    unlimited = await here.issue("items:read")
    await ask(app, "/items", limited.headers)
    assert [200] * 9 == await statuses(app, "/items", unlimited.headers, 9)

    assert [200, 200, 429] == await statuses(app, "/items", limited.headers, 3)


async def test_a_changed_plan_is_in_force_with_the_next_request(here: Installation, guard: Guard) -> None:
    """A team whose plan gets limits is counted from then on, though its keys were known without."""
    plans = {"free": {"limits": ["standard"]}}
    app = guard(rules=RULES, limits=LIMITS, plans=plans)
    issued = await here.issue("items:read")
    assert [200] * 5 == await statuses(app, "/items", issued.headers, 5)

    await app.runtime.teams.update("default", {"plan": "free"}, actor=Actor.system())

    assert [200, 200, 200, 429] == await statuses(app, "/items", issued.headers, 4)


async def test_what_is_refused_otherwise_costs_nothing(here: Installation, guard: Guard) -> None:
    """Limits are judged last: a 403, a 401 and a public path take nothing from a key."""
    app = guard(rules={**RULES, "GET /secret": "items:secret"}, limits=LIMITS, plans=EACH)
    issued = await here.issue("items:read")
    assert [403] * 4 == await statuses(app, "/secret", issued.headers, 4)
    assert [200] * 4 == await statuses(app, "/open", issued.headers, 4)

    assert [200, 200, 200, 429] == await statuses(app, "/items", issued.headers, 4)


async def test_a_refusal_is_a_use_and_can_be_explained(here: Installation, guard: Guard) -> None:
    """A 429 moves the last use, is counted, and is explained by its id."""
    app = guard(rules=RULES, limits=LIMITS, plans=EACH)
    issued = await here.issue("items:read")
    request_id = json.loads((await beyond(app, issued.headers)).body)["request_id"]
    await app.runtime.usage.flush(here.store)

    view = await here.store.view(issued.record.id)
    explanation = await app.runtime.explainer.refusal(request_id, actor=Actor.system())

    assert view is not None
    assert view.last_used is not None
    assert ("limited", "GET /items") == (explanation.reason, explanation.rule)
    assert ("Send less often, or raise the limits of the key or its team.",) == explanation.changes
    assert 1 == app.stats.denied


async def test_observed_limits_refuse_nothing(
    here: Installation, guard: Guard, echo: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    """With limits_mode = "observe", what is beyond is logged, and the application gets the grant."""
    caplog.set_level(logging.INFO, "keyfob")
    app = guard(rules=RULES, limits=LIMITS, plans=EACH, limits_mode="observe")
    issued = await here.issue("items:read")

    assert [200] * 5 == await statuses(app, "/items", issued.headers, 5)
    assert issued.record.id == echo.scopes[-1]["keyfob"].key_id
    assert 2 == sum("is beyond its limits for GET /items" in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("then", "expected"), [("local", [200, 200, 200, 429]), ("open", [200] * 4), ("closed", [503] * 4)]
)
async def test_an_outage_is_answered_as_configured(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture, then: str, expected: list[int]
) -> None:
    """Where the file cannot be used, each worker counts alone, all passes, or nothing does; logged once, never 500."""
    file = here.folder / "keyfob.db-limits"
    file.mkdir()
    app = guard(rules=RULES, limits=LIMITS, plans=EACH, limits_on_outage=then)
    issued = await here.issue("items:read")

    assert expected == await statuses(app, "/items", issued.headers, 4)
    assert 1 == sum("limits cannot be counted" in line for line in caplog.messages)


async def test_the_end_of_an_outage_is_logged(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    """Once the file can be used, it is used."""
    file = here.folder / "keyfob.db-limits"
    file.mkdir()
    app = guard(rules=RULES, limits=LIMITS, plans=EACH)
    issued = await here.issue("items:read")
    await ask(app, "/items", issued.headers)
    file.rmdir()
    counter: Any = app.runtime.counter
    counter.close()  # who asks again once a second need not be waited for

    assert [200] * 3 == await statuses(app, "/items", issued.headers, 3)
    assert "limits are counted as usual again" in caplog.messages


async def test_postgresql_needs_a_file(tmp_path: Path, here: Installation, guard: Guard) -> None:
    """Without a database file there is no place beside it; the setting that names one is asked for at start."""
    url = "postgresql://nobody@127.0.0.1/none"
    with pytest.raises(ConfigError, match="limits_file"):
        guard(rules=RULES, limits=LIMITS, store=url)

    guard(rules=RULES, limits=LIMITS, store=url, limits_file=tmp_path / "counts")


async def test_workers_share_their_counts(here: Installation, guard: Guard) -> None:
    """Two middlewares over one database let pass as much as one."""
    apps = [guard(rules=RULES, limits=LIMITS, plans=EACH) for _ in range(2)]
    issued = await here.issue("items:read")

    assert [200, 200, 200, 429, 429, 429] == [
        (await ask(app, "/items", issued.headers)).status for _ in range(3) for app in apps
    ]


async def test_a_handshake_counts_like_any_request(here: Installation, guard: Guard) -> None:
    """A WebSocket beyond the limit is refused before it is accepted, with the same answer."""
    app = guard(rules=RULES, limits=LIMITS, plans=EACH)
    issued = await here.issue("items:read")
    await statuses(app, "/items", issued.headers, 3)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    headers = [(name.lower().encode(), value.encode()) for name, value in issued.headers.items()]
    scope = {"type": "websocket", "path": "/ws", "headers": headers, "extensions": {"websocket.http.response": {}}}
    await app(scope, receive, send)

    assert 429 == sent[0]["status"]
    assert b"80" == dict(sent[0]["headers"])[b"retry-after"]


async def test_a_replaced_key_is_told_beside_its_limits(here: Installation, guard: Guard) -> None:
    """Deprecation and the fields of limits stand in each response, however often the key was counted before."""
    app = guard(rules=RULES, limits=LIMITS, plans=EACH)
    issued = await here.issue("items:read")
    created = issued.record.created_at
    await here.change(issued, replaced_by="0" * 16, replaced_at=created, expires_at=created + timedelta(days=1))

    answers = [await ask(app, "/items", issued.headers) for _ in range(3)]
    refused = await ask(app, "/items", issued.headers)

    assert all({"deprecation", "ratelimit"} <= answer.headers.keys() for answer in answers)
    assert {"deprecation", "ratelimit", "retry-after"} <= refused.headers.keys()
