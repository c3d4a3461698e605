"""Whoever comes near a limit is told of once a day, without any request that waits for it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.limits.windows import NS
from keyfob.store.contract.notices import KEPT, Notice
from tests.keyfob.conftest import ask, on_both_stores
from tests.keyfob.store.samples import NOON

if TYPE_CHECKING:
    from keyfob import APIKeyMiddleware
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

pytestmark = on_both_stores

DAY = 86_400 * NS
START = 20_000 * DAY + DAY // 2  # of the 4th of October 2024, UTC
QUOTA = {"amount": 10, "every": "month"}
LIMITS = {"ten": {"rate": "10/min"}, "other": {"rate": "5/min"}, "pool": {"rate": "10/day"}}
FREE: dict[str, object] = {"GET /free": "items:read"}
RULES: dict[str, object] = {
    **FREE,
    "GET /items": {"permission": "items:read", "limit": "ten"},
    "GET /items/{id}": {"permission": "items:read", "limit": "other"},
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time at which limits count; it moves when told to."""
    now = [START]
    monkeypatch.setattr("keyfob.runtime.rate_limits.CLOCK", lambda: now[0])
    return now


@pytest.fixture
def guard(guard: Guard) -> Guard:
    """Processes that write nothing by themselves: else what `told` asks for may still be under way."""
    return partial(guard, usage_interval=3600.0)


async def times(app: APIKeyMiddleware, path: str, headers: dict[str, str], count: int) -> None:
    for _ in range(count):
        await ask(app, path, headers)


async def told(here: Installation, *apps: APIKeyMiddleware) -> list[dict[str, Any]]:
    """What was noted by then, after every process has written it."""
    for app in apps:
        await app.runtime.usage.flush(app.runtime.store)
    return [dict(one.data) for one in await here.store.notices.after(0) if one.event == "limit.near"]


async def test_a_key_near_its_limit_is_told_with_the_limit(here: Installation, guard: Guard) -> None:
    """From 80 % on: seven of ten are nothing, eight are; the notice says whose limit it is, and how much it is."""
    app = guard(rules=RULES, limits=LIMITS, limits_file=here.folder / "limits")
    issued = await here.issue("items:read")
    await times(app, "/items", issued.headers, 7)
    before = await told(here, app)
    await times(app, "/items", issued.headers, 1)
    record = issued.record

    assert [] == before
    key = {"key_id": record.id, "name": record.name, "team": record.team}
    assert [{**key, "limit": "ten-min", "q": 10, "w": 60}] == await told(here, app)


async def test_it_is_told_once_a_day_by_however_many_processes(
    here: Installation, guard: Guard, clock: list[int]
) -> None:
    """Each limit and each key has its own notice; a window later, or in another process, it is not told again."""
    apps = [guard(rules=RULES, limits=LIMITS, limits_file=here.folder / "limits") for _ in range(2)]
    one, other = await here.issue("items:read"), await here.issue("items:read")
    for _ in range(3):
        for app in apps:
            await times(app, "/items", one.headers, 12)
            await times(app, "/items/7", one.headers, 6)
            await times(app, "/items", other.headers, 9)
        clock[0] += 120 * NS

    expected = [(one.record.id, "other-min"), (one.record.id, "ten-min"), (other.record.id, "ten-min")]
    assert sorted(expected) == sorted((each["key_id"], each["limit"]) for each in await told(here, *apps))


async def test_a_team_is_told_of_once(here: Installation, guard: Guard) -> None:
    """The purse of all keys of a team is near for all of them at once."""
    plans = {"enterprise": {"team_limits": ["pool"]}}
    app = guard(rules=RULES, limits=LIMITS, plans=plans, limits_file=here.folder / "limits")
    one, other = await here.issue("items:read"), await here.issue("items:read")
    await times(app, "/free", one.headers, 8)
    await times(app, "/free", other.headers, 2)

    assert [(one.record.id, "pool-day-team")] == [(each["key_id"], each["limit"]) for each in await told(here, app)]


async def test_a_quota_is_told_like_a_limit(here: Installation, guard: Guard) -> None:
    """From 80 % on, whichever of the processes has used it; also where a rate is counted besides."""
    options: dict[str, Any] = {"rules": RULES, "limits": LIMITS, "limits_file": here.folder / "limits"}
    apps = [guard(plans={"enterprise": {"quota": QUOTA}}, **options) for _ in range(2)]
    issued, limited = await here.issue("items:read"), await here.issue("items:read")
    await times(apps[0], "/free", issued.headers, 6)
    await times(apps[1], "/free", issued.headers, 1)
    await times(apps[0], "/items", limited.headers, 7)
    before = await told(here, *apps)
    await times(apps[1], "/free", issued.headers, 1)

    assert [] == before
    key = {"key_id": issued.record.id, "name": issued.record.name, "team": issued.record.team}
    assert [{**key, "limit": "quota-month", "q": 10, "w": 31 * 86_400}] == await told(here, *apps)
    await times(apps[0], "/items", limited.headers, 1)
    assert ["quota-month", "ten-min"] == sorted(each["limit"] for each in (await told(here, *apps))[1:])


async def test_a_quota_is_told_once_in_its_period(here: Installation, guard: Guard, clock: list[int]) -> None:
    """Not again on the next days of the month, nor for the key that takes its place; again in the next month."""
    apps = [guard(rules=FREE, plans={"enterprise": {"quota": QUOTA}}) for _ in range(2)]
    issued = await here.issue("items:read")
    for days in (0, 1, 4):
        clock[0] += days * DAY
        for app in apps:
            await times(app, "/free", issued.headers, 9)
            await told(here, app)
    assert 1 == len(await told(here, *apps))
    successor = await here.issue("items:read", limits_id=issued.record.id)
    await times(apps[0], "/free", successor.headers, 1)
    assert 1 == len(await told(here, *apps))

    clock[0] += 31 * DAY
    await times(apps[0], "/free", issued.headers, 9)

    assert [issued.record.id] * 2 == [each["key_id"] for each in await told(here, *apps)]


async def test_the_quota_of_a_team_is_told_once(here: Installation, guard: Guard) -> None:
    """With the key that was counted then; a refused request is near, too."""
    app = guard(rules=FREE, plans={"enterprise": {"team_quota": {"amount": 10, "every": "day"}}})
    one, other = await here.issue("items:read"), await here.issue("items:read")
    await times(app, "/free", one.headers, 7)
    await times(app, "/free", other.headers, 4)

    assert [(other.record.id, "quota-day-team")] == [(each["key_id"], each["limit"]) for each in await told(here, app)]


async def test_who_is_refused_by_the_window_before_is_near(here: Installation, guard: Guard, clock: list[int]) -> None:
    """What passed a window ago can leave no room for the first request of this one."""
    app = guard(rules=RULES, limits=LIMITS, limits_file=here.folder / "limits")
    issued = await here.issue("items:read")
    await times(app, "/items", issued.headers, 7)
    assert [] == await told(here, app)
    clock[0] += 61 * NS
    await times(app, "/items", issued.headers, 4)

    assert ["ten-min"] == [each["limit"] for each in await told(here, app)]


async def test_what_cannot_be_written_is_written_later(
    here: Installation, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is away delays the notice, and does not lose it."""
    app = guard(rules=RULES, limits=LIMITS, limits_file=here.folder / "limits")
    issued = await here.issue("items:read")
    await times(app, "/items", issued.headers, 9)

    async def fails(*_: object) -> bool:
        raise StoreUnavailable("away")

    with monkeypatch.context() as away:
        away.setattr(app.runtime.store.notices, "add_once", fails)
        with pytest.raises(StoreUnavailable):
            await app.runtime.usage.flush(app.runtime.store)

    assert ["ten-min"] == [each["limit"] for each in await told(here, app)]


async def test_marks_of_past_days_are_forgotten(here: Installation) -> None:
    """A day's marks would grow without bound; those of other notices stay for as long as they speak."""
    notices = here.store.notices
    days = ["limit.near k ten-min 2026-11-20", "key.new_address k 2026-11-20"]
    marks = [*days, "key.unused k None", "limit.near.month k quota-month 2026-11"]
    for number, mark in enumerate(marks):
        assert await notices.add_once(mark, Notice(f"evt_{number}", "limit.near", NOON - KEPT, {}))
    await notices.forget_daily_marks(NOON - KEPT + timedelta(seconds=1))

    again = [await notices.add_once(mark, Notice(f"evt_1{n}", "limit.near", NOON, {})) for n, mark in enumerate(marks)]
    assert [True, True, False, False] == again

    await notices.forget_daily_marks(NOON - KEPT + timedelta(days=32))
    assert await notices.add_once(marks[-1], Notice("evt_20", "limit.near", NOON, {}))
