from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keyfob.keys.quota import Every, Period, period_of

A_DAY = 86_400
PERIODS = [
    (Every.DAY, "2028-02-29T00:00:00", "2028-02-29T00:00:00", 1),
    (Every.DAY, "2028-02-29T23:59:59", "2028-02-29T00:00:00", 1),
    (Every.MONTH, "2028-02-29T23:59:59", "2028-02-01T00:00:00", 29),
    (Every.MONTH, "2027-02-01T00:00:00", "2027-02-01T00:00:00", 28),
    (Every.MONTH, "2027-12-31T23:59:59", "2027-12-01T00:00:00", 31),
]


@pytest.mark.parametrize(("every", "now", "begins", "days"), PERIODS)
def test_periods_are_days_and_months_of_utc(every: Every, now: str, begins: str, days: int) -> None:
    """Whatever the time zone of the machine, and whatever the length of the month."""
    moment, start = (datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in (now, begins))
    period = period_of(every, moment + 0.999)

    assert Period(int(start), int(start) + days * A_DAY) == period
    assert period.ends == period.end.timestamp()
