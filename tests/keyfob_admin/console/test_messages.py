"""Times, changes and use, told in words and pictures."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from keyfob.audit import ACTIONS
from keyfob.store.contract.key_store import UseDay
from keyfob_admin.console import charts
from keyfob_admin.console import humanize as said

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=3), "3 minutes ago"),
        (timedelta(hours=23), "23 hours ago"),
        (timedelta(hours=30), "yesterday"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=65), "2 months ago"),
        (timedelta(days=800), "2 years ago"),
    ],
)
def test_times_are_told_as_people_do(ago: timedelta, expected: str) -> None:
    """A time is told by its distance, roughly."""
    assert expected == said.ago(NOON - ago, NOON)


def test_moments_and_days_are_written_out() -> None:
    """Times are in UTC and say so."""
    assert "20 Nov 2026, 09:12 UTC" == said.moment(datetime(2026, 11, 20, 9, 12, tzinfo=UTC))
    assert "1 Jan 2027" == said.day(date(2027, 1, 1))


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(days=6, hours=3), "Expires in 6 days"),
        (timedelta(hours=1), "Expires in 1 hour"),
        (timedelta(seconds=5), "Expires in 1 minute"),
        (timedelta(days=15), None),
        (timedelta(0), None),
    ],
)
def test_a_near_end_is_announced(left: timedelta, expected: str | None) -> None:
    """Within two weeks the end of a key is said in its list."""
    assert expected == said.expires_in(NOON + left, NOON)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(days=-3), "26 Nov 2026"),
        (timedelta(hours=2), "in 2 hours"),
        (timedelta(days=20, hours=3), "in 20 days"),
        (timedelta(days=50), "18 Jan 2027"),
    ],
)
def test_an_end_within_a_month_is_told_in_days(left: timedelta, expected: str) -> None:
    """A list says how long is left while that is what matters, and else the date."""
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert expected == said.end(now + left, now)
    assert "in 90 days" == said.until(now + timedelta(days=89, hours=23), now)


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"permissions": {"added": ["a:b"], "removed": ["c:d", "e:f"]}}, "a:b added; c:d, e:f removed"),
        ({"name": {"from": "a", "to": "b"}}, "renamed from a to b"),
        ({"description": "changed"}, "description changed"),
        ({"expires_at": {"from": None, "to": "2027-01-01T00:00:00+00:00"}}, "now expires 1 Jan 2027, 00:00 UTC"),
        ({"expires_at": {"from": "x", "to": None}}, "now never expires"),
        ({"ip_allow": {"from": [], "to": ["10.0.0.0/8"]}}, "limited to 10.0.0.0/8"),
        ({"ip_allow": {"from": ["10.0.0.0/8"], "to": []}}, "usable from every address"),
        ({"plan": {"from": "a", "to": "b"}}, "from a to b"),
        ({"char": "b"}, "entry b"),
        ({"name": "x", "plan": "y", "permissions": [], "expires_at": None, "ip_allow": []}, ""),
    ],
)
def test_changes_are_told_in_a_line(detail: dict[str, object], expected: str) -> None:
    """The log's detail is told in words."""
    assert expected == said.told("key.updated", detail)


def test_every_action_has_a_name() -> None:
    """Nothing that the audit log can hold is shown by its code."""
    assert set(ACTIONS) == set(said.ACTIONS)


def test_a_day_with_one_use_is_seen_beside_one_with_thousands() -> None:
    """Bars are scaled to the highest day, and none disappears."""
    days = [UseDay(date(2026, 11, 1), 1, 0), UseDay(date(2026, 11, 2), 100_000, 1), UseDay(date(2026, 11, 3), 0, 0)]
    chart = charts.by_day(days)
    assert 100_001 == chart.highest
    assert ("120k", "60k", "0") == chart.labels
    assert [2, round(charts.CHART_HEIGHT / 1.2), 0] == [round(bar.admitted) for bar in chart.bars]
    assert [0, 2, 0] == [bar.denied for bar in chart.bars]
    assert all(0 <= bar.top <= charts.CHART_HEIGHT for bar in chart.bars)
    assert charts.sparkline({}, [date(2026, 11, 1)]) is None


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 2), (1, 2), (3, 4), (9, 10), (10, 10), (11, 12), (99, 100), (301, 400), (15_999, 16_000)]
)
def test_an_axis_ends_at_a_round_number(highest: int, top: int) -> None:
    """The top of a chart is a round number near the highest bar, and so is its middle."""
    assert top == charts.round_top(highest)
