from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.limits import valkey_counter
from keyfob.limits.windows import NS
from keyfob.management.actor import Actor
from tests.keyfob.conftest import ask
from tests.valkey_server import valkey_server

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob import APIKeyMiddleware
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Answer, Echo, Guard

NOON = 20_000 * 86_400 * NS + 12 * 3600 * NS  # of the 4th of October 2024, UTC
TO_THE_END = 27 * 86_400 + 12 * 3600  # seconds to the end of that month
RULES: dict[str, object] = {
    "GET /items": "items:read",
    "GET /costly": {"permission": "items:read", "cost": 3},
    "GET /admin": {"permission": "items:read", "key_types": ["admin", "api"]},
    "WS /ws": "items:read",
}
LIMITED: dict[str, Any] = {
    "rules": {**RULES, "GET /heavy": {"permission": "items:read", "limit": "heavy"}},
    "limits": {"heavy": {"rate": "2/day"}},
}


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time at which quotas and limits count; it moves when told to. No portion returns on a slow machine."""
    now = [NOON]
    monkeypatch.setattr("keyfob.limits.quota_book.IDLE", 3600.0)
    monkeypatch.setattr("keyfob.runtime.rate_limits.CLOCK", lambda: now[0])
    return now


def month(amount: int, **more: object) -> dict[str, Any]:
    return {"rules": RULES, "plans": {"enterprise": {"quota": {"amount": amount, "every": "month"}, **more}}}


async def answers(app: APIKeyMiddleware, path: str, headers: dict[str, str], count: int) -> list[Answer]:
    return [await ask(app, path, headers) for _ in range(count)]


async def statuses(app: APIKeyMiddleware, path: str, headers: dict[str, str], count: int) -> list[int]:
    return [answer.status for answer in await answers(app, path, headers, count)]


def execute(here: Installation, statement: str) -> list[Any]:
    """Do something to the database behind Keyfob's back."""
    with closing(sqlite3.connect(here.folder / "keyfob.db", isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


async def test_a_key_has_the_quota_of_its_plan(here: Installation, guard: Guard, noon: list[int]) -> None:
    """What is beyond is 429 until the month ends in UTC; other keys have their own."""
    app = guard(**month(3))
    one, other = await here.issue("items:read"), await here.issue("items:read")
    assert [200, 200, 200, 429] == await statuses(app, "/items", one.headers, 4)
    assert [200, 200, 200, 429] == await statuses(app, "/items", other.headers, 4)
    noon[0] += (TO_THE_END - 1) * NS
    assert [429] == await statuses(app, "/items", one.headers, 1)
    noon[0] += NS

    assert [200, 200, 200, 429] == await statuses(app, "/items", one.headers, 4)


async def test_the_refusal_says_when_the_period_ends(here: Installation, guard: Guard) -> None:
    """A 429 is a problem ``quota_exceeded`` with Retry-After, and the fields tell of the quota; a 200 has them, too."""
    app = guard(**month(200))
    issued = await here.issue("items:read")
    first = await ask(app, "/items", issued.headers)
    await statuses(app, "/items", issued.headers, 199)
    refused = await ask(app, "/items", issued.headers)
    problem = json.loads(refused.body)

    assert '"quota-month";q=200;w=2678400' == first.headers["ratelimit-policy"] == refused.headers["ratelimit-policy"]
    fields = [f'"quota-month";r={left};t={TO_THE_END}' for left in (199, 0)]
    assert fields == [answer.headers["ratelimit"] for answer in (first, refused)]
    assert (429, "quota_exceeded", 16) == (refused.status, problem["code"], len(problem["request_id"]))
    assert (str(TO_THE_END), "no-store") == (refused.headers["retry-after"], refused.headers["cache-control"])


async def test_a_team_has_one_purse(here: Installation, guard: Guard) -> None:
    """The quota of the team is shared by its keys, beside that of each."""
    app = guard(**month(5, team_quota={"amount": 6, "every": "day"}))
    one, two = await here.issue("items:read"), await here.issue("items:read")
    assert [200] * 4 == await statuses(app, "/items", one.headers, 4)
    found = await answers(app, "/items", two.headers, 3)

    assert [200, 200, 429] == [answer.status for answer in found]
    assert [f'"quota-month";r=3;t={TO_THE_END}, "quota-day-team";r=0;t=43200'] * 2 == [
        answer.headers["ratelimit"] for answer in found[1:]
    ]
    assert "43200" == found[2].headers["retry-after"]


async def test_a_cost_counts_whole_or_not_at_all(here: Installation, guard: Guard) -> None:
    """What costs more than is left is refused, and takes nothing from what costs less."""
    app = guard(**month(8))
    issued = await here.issue("items:read")

    assert [200, 200, 429] == await statuses(app, "/costly", issued.headers, 3)
    assert [200, 200, 429] == await statuses(app, "/items", issued.headers, 3)


async def test_quotas_and_limits_have_room_together(here: Installation, guard: Guard) -> None:
    """A request beyond a limit takes nothing from the quota, and one beyond the quota nothing from the limit."""
    app = guard(**month(4) | LIMITED)
    one, two = await here.issue("items:read"), await here.issue("items:read")
    assert [200, 200, 429, 429] == await statuses(app, "/heavy", one.headers, 4)
    last = await ask(app, "/heavy", one.headers)
    assert ("rate_limited", f'"heavy-day";r=0;t=43200, "quota-month";r=2;t={TO_THE_END}') == (
        json.loads(last.body)["code"],
        last.headers["ratelimit"],
    )
    assert [200, 200, 429] == await statuses(app, "/items", one.headers, 3)
    await statuses(app, "/items", two.headers, 4)

    refused = await ask(app, "/heavy", two.headers)

    assert f'"heavy-day";r=2;t=43200, "quota-month";r=0;t={TO_THE_END}' == refused.headers["ratelimit"]
    assert ("quota_exceeded", str(TO_THE_END)) == (json.loads(refused.body)["code"], refused.headers["retry-after"])


async def test_workers_share_the_quota(here: Installation, guard: Guard) -> None:
    """Three middlewares over one database let pass as much as one, though each leases by itself."""
    apps = [guard(**month(50)) for _ in range(3)]
    issued = await here.issue("items:read")
    found = await asyncio.gather(*(statuses(app, "/items", issued.headers, 30) for app in apps))

    assert 50 == sum(status == 200 for each in found for status in each)


async def test_a_stopped_worker_gives_back_what_it_held(here: Installation, guard: Guard) -> None:
    """What it has leased and not used passes through another one."""
    stopping, going = guard(**month(400)), guard(**month(400))
    issued = await here.issue("items:read")
    await ask(stopping, "/items", issued.headers)
    await stopping.runtime.stop()

    assert [200] * 399 + [429] == await statuses(going, "/items", issued.headers, 400)


async def test_what_is_refused_otherwise_costs_nothing(here: Installation, guard: Guard) -> None:
    """Quotas are judged last, and an admin key has none of its plan's."""
    app = guard(**month(1, key_types=["api"]) | {"rules": {**RULES, "GET /secret": "items:secret"}})
    issued, admin = await here.issue("items:read"), await here.issue("items:read", key_type="admin")

    assert [403] * 3 == await statuses(app, "/secret", issued.headers, 3)
    assert [200] * 3 == await statuses(app, "/admin", admin.headers, 3)
    assert [200, 429] == await statuses(app, "/items", issued.headers, 2)


async def test_a_refusal_is_a_use_and_can_be_explained(here: Installation, guard: Guard) -> None:
    """It counts as ``limited``, and its id says what would change it."""
    app = guard(**month(1))
    issued = await here.issue("items:read")
    _, refused = await answers(app, "/items", issued.headers, 2)
    await app.runtime.usage.flush(here.store)
    explained = await app.runtime.explainer.refusal(json.loads(refused.body)["request_id"], actor=Actor.system())
    view = await here.store.view(issued.record.id)

    assert ("quota_exceeded", "GET /items") == (explained.reason, explained.rule)
    assert ("Wait until the period ends, or give the key or its team a larger quota.",) == explained.changes
    assert view is not None
    assert view.last_used is not None
    (row,) = execute(here, "SELECT reason, denied, limited FROM key_use_details WHERE reason <> ''")
    assert (("quota_exceeded", 0, 1), 1) == (row, app.stats.denied_by["quota_exceeded"])


async def test_observed_quotas_refuse_nothing(
    here: Installation, guard: Guard, echo: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    """With limits_mode = "observe", what is beyond is logged, also where the database cannot say."""
    caplog.set_level(logging.INFO, "keyfob")
    app = guard(**month(2), limits_mode="observe")
    issued = await here.issue("items:read")
    assert [200] * 4 == await statuses(app, "/items", issued.headers, 4)
    assert 2 == sum("is beyond its limits for GET /items" in line for line in caplog.messages)
    other = await here.issue("items:read")
    execute(here, "ALTER TABLE quota_use RENAME TO away")

    assert [200] == await statuses(app, "/items", other.headers, 1)
    assert other.record.id == echo.scopes[-1]["keyfob"].key_id


async def test_a_lost_table_matters_once_the_portion_is_spent(here: Installation, guard: Guard) -> None:
    """What is held passes; then the answer is 503, never 200 or 500; and all is well when the table is back."""
    app = guard(**month(300))
    issued = await here.issue("items:read")
    await ask(app, "/items", issued.headers)
    execute(here, "ALTER TABLE quota_use RENAME TO away")
    found = await answers(app, "/items", issued.headers, 4)
    execute(here, "ALTER TABLE away RENAME TO quota_use")

    assert [200, 200, 503, 503] == [answer.status for answer in found]
    assert "unavailable" == json.loads(found[-1].body)["code"]
    assert [200] * 297 + [429] == await statuses(app, "/items", issued.headers, 298)


async def test_a_handshake_costs_one(here: Installation, guard: Guard) -> None:
    """A WebSocket beyond the quota is refused before it is accepted."""
    app = guard(**month(2))
    issued = await here.issue("items:read")
    headers = [(name.lower().encode(), value.encode()) for name, value in issued.headers.items()]
    scope = {"type": "websocket", "path": "/ws", "headers": headers, "extensions": {"websocket.http.response": {}}}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await ask(app, "/items", issued.headers)
    for _ in range(2):
        await app(dict(scope), receive, send)

    assert [200, 429] == [message["status"] for message in sent if "status" in message]  # the first is the app's
    assert [429] == await statuses(app, "/items", issued.headers, 1)


async def test_a_quota_holds_without_a_cache(here: Installation, guard: Guard) -> None:
    """A key that is read anew for each request is counted once for each."""
    app = guard(**month(2), cache_size=0)
    issued = await here.issue("items:read")

    assert [200, 200, 429] == await statuses(app, "/items", issued.headers, 3)


async def test_where_nothing_runs_between_calls_all_is_given_back(here: Installation, guard: Guard) -> None:
    """A process that may stand still after each call leaves nothing leased."""
    app, other = guard(**month(200), background=False), guard(**month(200))
    issued = await here.issue("items:read")
    await statuses(app, "/items", issued.headers, 2)

    assert [(2, 0)] == execute(here, "SELECT used, leased FROM quota_use")
    assert [200] * 198 + [429] == await statuses(other, "/items", issued.headers, 199)


async def test_a_replaced_database_has_its_own_counts(here: Installation, guard: Guard) -> None:
    """After a restore nothing of what was leased before is used."""
    app = guard(**month(300))
    issued = await here.issue("items:read")
    await ask(app, "/items", issued.headers)
    execute(here, "UPDATE meta SET epoch = 'another'")
    execute(here, "DELETE FROM quota_use")
    await app.runtime.freshness.refresh()

    assert [200] * 300 + [429] == await statuses(app, "/items", issued.headers, 301)


async def test_quotas_beside_limits_in_valkey(
    tmp_path: Path, here: Installation, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that is counted elsewhere gives the quota back; an outage that is answered 503 does, too."""
    monkeypatch.setattr(valkey_counter, "PATIENCE", 60)
    one, two = await here.issue("items:read"), await here.issue("items:read")
    with valkey_server() as url:
        app = guard(**month(4) | LIMITED, limits_store=url, limits_file=tmp_path / "counts")
        assert [200, 200, 429, 429] == await statuses(app, "/heavy", one.headers, 4)
        assert [200, 200, 429] == await statuses(app, "/items", one.headers, 3)
        await statuses(app, "/items", two.headers, 4)
        refused = await ask(app, "/heavy", two.headers)
        assert refused.headers["ratelimit"].startswith('"heavy-day";r=2;')
    closed = {"limits_store": "valkey://127.0.0.1:1/0", "limits_on_outage": "closed"}
    away = guard(**month(4) | LIMITED | closed)
    third = await here.issue("items:read")

    assert [503] * 3 == await statuses(away, "/heavy", third.headers, 3)
    assert [200] * 4 + [429] == await statuses(away, "/items", third.headers, 5)
