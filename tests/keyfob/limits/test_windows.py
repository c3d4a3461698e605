from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.limits.windows import NS, Meter, Standing, subject_of

METER = Meter(b"s" * 16, "standard-min", 100, 60)
counts = st.integers(0, 150)
moments = st.integers(0, 60 * NS - 1)


def at(seconds: float, current: int, previous: int = 0) -> Standing:
    return Standing(METER, current, previous, int((600 + seconds) * NS))


def estimate(standing: Standing) -> Fraction:
    """What passed in the sliding window, as the documents say, without rounding."""
    length = standing.meter.seconds * NS
    return standing.current + Fraction(standing.previous * (length - standing.now % length), length)


@pytest.mark.parametrize(
    ("standing", "remaining"),
    [
        (at(0, 0), 100),
        (at(0, 58), 42),
        (at(0, 0, 100), 0),
        (at(30, 0, 100), 50),
        (at(30, 50, 100), 0),
        (at(59.9, 99, 100), 0),
        (at(30, 120), 0),
    ],
)
def test_what_may_pass_is_what_neither_count_nor_estimate_forbid(standing: Standing, remaining: int) -> None:
    """The window before weighs as much as the sliding window still covers of it."""
    assert remaining == standing.remaining


@given(current=counts, previous=counts, moment=moments)
def test_fitting_is_the_estimate_without_rounding(current: int, previous: int, moment: int) -> None:
    """A count fits exactly where the estimate is not above the amount."""
    standing = Standing(METER, current, previous, 600 * NS + moment)

    assert (estimate(standing) <= METER.amount) == standing.fits()
    assert standing._replace(current=current + standing.remaining).fits() or not standing.fits()
    assert not standing._replace(current=current + standing.remaining + 1).fits()


@given(current=counts, previous=counts, moment=moments, cost=st.integers(1, 100))
def test_waiting_is_never_too_short(current: int, previous: int, moment: int, cost: int) -> None:
    """After the seconds that a client is told, its request fits, if nothing else passed; a second before it did not."""
    standing = Standing(METER, current, previous, 600 * NS + moment)
    wait = standing.wait_for(cost)

    def fits_after(seconds: int) -> bool:
        now = standing.now + seconds * NS
        is_next = now // (60 * NS) > standing.now // (60 * NS)
        is_later = now // (60 * NS) > standing.now // (60 * NS) + 1
        then = (0, 0) if is_later else (0, current) if is_next else (current, previous)
        return Standing(METER, then[0] + cost, then[1], now).fits()

    if current <= METER.amount:  # nothing else can have been counted
        assert fits_after(wait)
    assert wait == 1 or not fits_after(wait - 1)


def test_a_cost_that_never_fits_waits_for_the_end_of_the_next_window() -> None:
    """Retry-After is finite, whatever is asked for."""
    assert 120 == at(0, 50).wait_for(101)


def test_seconds_to_the_end_are_whole_and_never_too_few() -> None:
    """The t of RateLimit is rounded up."""
    assert [60, 60, 31, 1] == [at(seconds, 0).seconds_to_end for seconds in (0, 0.5, 29.5, 59.5)]
    assert math.ceil(59.5) == at(0.5, 0).seconds_to_end


def test_what_is_counted_has_a_name_of_its_own() -> None:
    """Key and team, names and ids never share a count, and a changed amount keeps it."""
    subjects = {
        subject_of("key", "a", "x-min"),
        subject_of("team", "a", "x-min"),
        subject_of("key", "b", "x-min"),
        subject_of("key", "a", "x-h"),
    }
    assert 4 == len(subjects)
