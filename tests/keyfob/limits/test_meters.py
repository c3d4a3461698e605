from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.limits.meters import KeyLimits, meters_of
from keyfob.policy.limits import read_limits

if TYPE_CHECKING:
    from keyfob.limits.windows import Meter

LIMITS = read_limits({"standard": {"rate": ["100/min", "5000/day"]}, "heavy": {"rate": "10/min"}})
OWN = KeyLimits(("standard",), ("heavy",), (1_000.0, 2.5))


def named(meters: tuple[Meter, ...]) -> list[tuple[str, int, int]]:
    return [meter[1:] for meter in meters]


def test_a_request_is_counted_for_key_rule_and_team() -> None:
    """Each rate is a meter with its own name, those of the key first."""
    meters = meters_of(LIMITS, counted_as="k", team="t", own=OWN, of_rule=("heavy",))

    assert [
        ("standard-min", 100, 60),
        ("standard-day", 5000, 86_400),
        ("heavy-min", 10, 60),
        ("heavy-min-team", 10, 60),
    ] == named(meters)
    assert 4 == len({meter.subject for meter in meters})


def test_a_limit_named_twice_counts_once() -> None:
    """A limit that both key and rule have is one count."""
    assert 2 == len(meters_of(LIMITS, counted_as="k", team="t", own=KeyLimits(("standard",)), of_rule=("standard",)))


def test_a_raise_is_for_the_key_alone() -> None:
    """A raised key may pass more often, and its team no more."""
    meters = meters_of(LIMITS, counted_as="k", team="t", own=OWN, factor=OWN.factor(999.0))

    assert [250, 12_500, 10] == [meter.amount for meter in meters]


@pytest.mark.parametrize(("now", "factor"), [(999.9, 2.5), (1_000.0, 1.0)])
def test_a_raise_ends(now: float, factor: float) -> None:
    """From the moment that was said on, the limits are what they were."""
    assert (factor, 1.0) == (OWN.factor(now), KeyLimits().factor(now))


def test_a_key_that_counts_as_another_has_its_meters() -> None:
    """A rotated key goes on where the one that it replaces has stopped."""
    assert meters_of(LIMITS, counted_as="old", team="t", own=OWN) != meters_of(
        LIMITS, counted_as="new", team="t", own=OWN
    )
