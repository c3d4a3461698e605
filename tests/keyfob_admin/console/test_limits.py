"""Limits on a key's page: what is left of each, and requests over a limit in its chart."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.keys.quota import Period
from keyfob.management.key_standings import LimitStanding, QuotaStanding
from keyfob.store.contract.key_store import Use, UseDay
from keyfob_admin.console import charts
from keyfob_admin.console.limit_bars import bar_of, bar_of_quota
from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, change, installed, running, words

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("standing", "window", "used"),
    [
        (("standard-min", 100, 60, 42), "this minute", 58),
        (("standard-day-team", 5000, 86_400, 5000), "today for the team", 0),
        (("other", 10, 5, 0), "in 5 seconds", 100),
        (("closed", 0, 1, 0), "this second", 100),
        (("raised", 10, 3_600, 30), "this hour", 0),
    ],
)
def test_a_bar_fills_with_what_is_used(standing: tuple[str, int, int, int], window: str, used: int) -> None:
    """It names its window, and never leaves its track."""
    bar = bar_of(LimitStanding(*standing, reset_at=datetime.now(UTC)))
    assert (window, used) == (bar.window, bar.used)


def test_a_keys_page_says_what_is_left(tmp_path: Path) -> None:
    """Every limit of its plan stands beside the facts."""
    limits = {"standard": {"rate": ["100/min", "5000/day"]}}
    plans = {"enterprise": {"key_types": ["api"], "limits": ["standard"]}}
    installation = asyncio.run(installed(tmp_path, limits=limits, plans=plans))
    with running(installation) as url, Visitor(url) as visitor:
        visitor.sign_in(installation.admin_key)
        key, _ = LiveConsole(url, installation).make("bounded")
        said = words(visitor.get(f"/keys/{key.id}").text)
        assert "Limits 100 of 100 left this minute 5,000 of 5,000 left today" in said


QUOTAS = [
    (("quota-month", 1000, 250, 31), "of the quota this month", 750, 25),
    (("quota-day-team", 10, 12, 1), "of the quota today for the team", 0, 100),
    (("quota-day", 0, 0, 1), "of the quota today", 0, 100),
]


@pytest.mark.parametrize(("standing", "window", "left", "used"), QUOTAS)
def test_a_quota_has_a_bar(standing: tuple[str, int, int, int], window: str, left: int, used: int) -> None:
    """It names its period, and never leaves its track."""
    name, amount, counted, days = standing
    bar = bar_of_quota(QuotaStanding(name, amount, counted, Period(0, days * 86_400)))
    assert (window, left, used) == (bar.window, bar.remaining, bar.used)


def test_a_keys_page_says_what_is_left_of_quotas(tmp_path: Path) -> None:
    """The quota of the key and of its team stand below its limits."""
    quotas = {"quota": {"amount": 20_000, "every": "month"}, "team_quota": {"amount": 70_000, "every": "day"}}
    installation = asyncio.run(installed(tmp_path, plans={"enterprise": {"key_types": ["api"], **quotas}}))
    with running(installation) as url, Visitor(url) as visitor:
        visitor.sign_in(installation.admin_key)
        key, _ = LiveConsole(url, installation).make("bounded")
        said = words(visitor.get(f"/keys/{key.id}").text)
        assert (
            "20,000 of 20,000 left of the quota this month 70,000 of 70,000 left of the quota today for the team"
            in said
        )


def test_requests_over_a_limit_are_drawn(visitor: Visitor, live: LiveConsole) -> None:
    """They have a colour, a number and a column of their own."""
    key, _ = live.make("hasty")
    today = datetime.now(UTC)
    use = Use(today, None, {today.date(): 10}, {today.date(): 2}, limited={today.date(): 1_204})
    change(live.installation, lambda runtime: runtime.store.add_usage({key.id: use}))
    page = visitor.get(f"/keys/{key.id}").text
    assert "10 admitted 2 denied 1,204 limited" in words(page)
    assert "10 admitted, 1204 limited and 2 denied" in page
    assert 3 == page.count('<rect class="') + page.count('<rect x="')


def test_pieces_of_a_bar_stand_on_one_another() -> None:
    """Admitted, limited and denied fill the bar to the top of the plot, and none disappears."""
    (bar,) = charts.by_day([UseDay(date(2026, 11, 1), 100, 1, 99)]).bars
    assert round(charts.CHART_HEIGHT - bar.top, 1) == round(bar.admitted + bar.limited + bar.denied, 1)
    assert min(bar.admitted, bar.limited, bar.denied) >= 2
