from __future__ import annotations

import pytest

from keyfob.limits.memory import MemoryCounter
from tests.keyfob.limits.counter_contract import Clock, CounterContract, meter


class TestMemoryCounter(CounterContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def counter(self, clock: Clock) -> MemoryCounter:
        return MemoryCounter(clock)

    def test_what_is_over_is_forgotten(self, counter: MemoryCounter, clock: Clock) -> None:
        """Memory is bounded by the keys that are in use, not by all that ever were."""
        for number in range(3_000):
            counter.take((meter("a-min", 1, of=f"old{number}"),), 1)
        clock.pass_time(180)
        for number in range(8_000):
            counter.take((meter("a-min", 1, of=f"new{number}"),), 1)

        assert 8_000 == len(counter._counted)
