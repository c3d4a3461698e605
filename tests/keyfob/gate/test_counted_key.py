"""A key whose limited requests are counted at once is refused as soon as anything but its counts changes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.keys.record import RaisedLimits
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob import APIKeyMiddleware
    from keyfob.testing import Installation, Issued
    from tests.keyfob.conftest import Guard

LIMITS = {"many": {"rate": "50/day"}, "few": {"rate": "4/day"}}
RULES: dict[str, object] = {
    "GET /items": {"permission": "items:read", "limit": "many"},
    "GET /teams/{team}/members": {"permission": "items:read", "limit": "many", "team": "{team}"},
    "GET /few": {"permission": "items:read", "limit": "few"},
}


@pytest.fixture
def app(guard: Guard, tmp_path: Path) -> APIKeyMiddleware:
    """Counts in a file, on either engine."""
    return guard(rules=RULES, limits=LIMITS, limits_file=tmp_path / "limits")


async def warmed(app: APIKeyMiddleware, issued: Issued, path: str = "/items") -> None:
    for _ in range(3):
        assert 200 == (await ask(app, path, issued.headers)).status
    gate: Any = app.gate
    assert gate._key_cache.get(issued.text.encode()).counted


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"disabled_at": datetime.now(UTC)}, 401),
        ({"permissions": ("other:read",)}, 403),
        ({"ip_allow": ("192.0.2.0/24",)}, 403),
        ({"expires_at": datetime.now(UTC) - timedelta(minutes=1)}, 401),
        ({"name": "renamed"}, 200),
    ],
    ids=lambda part: "" if isinstance(part, int) else next(iter(part)),
)
async def test_a_change_of_the_key_is_judged(
    here: Installation, app: APIKeyMiddleware, change: dict[str, Any], status: int
) -> None:
    """What was found out about a key is of one state of it, and of no other."""
    issued = await here.issue("items:read")
    await warmed(app, issued)
    await here.change(issued, **change)
    await app.runtime.freshness.refresh()

    assert status == (await ask(app, "/items", issued.headers)).status


async def test_another_team_is_refused_however_often_its_own_was_asked_for(
    here: Installation, app: APIKeyMiddleware
) -> None:
    """One rule stands for many teams, so the team is compared each time."""
    issued = await here.issue("items:read")
    await warmed(app, issued, f"/teams/{issued.record.team}/members")

    others = [(await ask(app, "/teams/another/members", issued.headers)).status for _ in range(3)]
    assert [403] * 3 == others  # the first of them is judged in full because its path is new


async def test_a_key_runs_out_between_two_requests(here: Installation, app: APIKeyMiddleware) -> None:
    """Its end is compared each time, without anything having changed about it."""
    issued = await here.issue("items:read")
    await here.change(issued, expires_at=datetime.now(UTC) + timedelta(hours=1))
    await warmed(app, issued)
    gate: Any = app.gate
    gate._now = lambda: time.time() + 7_200

    assert 401 == (await ask(app, "/items", issued.headers)).status


async def test_what_was_raised_for_a_while_falls_when_the_time_is_over(
    here: Installation, app: APIKeyMiddleware
) -> None:
    """The amounts of such a key depend on the time, so that it is judged in full each time."""
    issued = await here.issue("items:read")
    await here.change(issued, limits_raised=RaisedLimits(datetime.now(UTC) + timedelta(hours=1), 2.0))
    before = [(await ask(app, "/few", issued.headers)).status for _ in range(5)]
    gate: Any = app.gate
    gate._rate_limiter._now = lambda: time.time() + 7_200

    assert [200] * 5 == before
    assert 429 == (await ask(app, "/few", issued.headers)).status


async def test_each_request_is_counted_once(here: Installation, app: APIKeyMiddleware) -> None:
    """Whoever counts, and whatever is admitted or not, the client sees one more each time, and uses are as many."""
    issued = await here.issue("items:read")
    told = [(await ask(app, "/few", issued.headers)).headers["ratelimit"].split(";")[1] for _ in range(6)]
    await app.runtime.usage.flush(here.store)

    assert ["r=3", "r=2", "r=1", "r=0", "r=0", "r=0"] == told
    (day,) = await here.store.usage(issued.record.id, datetime.now(UTC).date() - timedelta(days=1))
    assert (4, 0, 2) == (day.admitted, day.denied, day.limited)
