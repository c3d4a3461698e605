"""What every counter does, whatever it counts in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.limits.windows import NS, Meter, subject_of

if TYPE_CHECKING:
    from keyfob.limits.windows import Counter


def meter(name: str, amount: int, seconds: int = 60, of: str = "k1") -> Meter:
    return Meter(subject_of("key", of, name), name, amount, seconds)


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000_000 * 60 * NS  # the beginning of a minute

    def __call__(self) -> int:
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += int(seconds * NS)


class CounterContract:
    """Inherited by the tests of each counter, which give `counter` and `clock`."""

    def test_no_more_than_the_amount_passes_in_a_window(self, counter: Counter, clock: Clock) -> None:
        """The first requests pass, each seeing itself counted; what is beyond is refused and changes nothing."""
        meters = (meter("a-min", 3),)
        outcomes = [counter.take(meters, 1) for _ in range(5)]

        assert [True, True, True, False, False] == [outcome.has_room for outcome in outcomes]
        assert [2, 1, 0, 0, 0] == [outcome.standings[0].remaining for outcome in outcomes]
        assert clock.now == outcomes[0].standings[0].now

    def test_a_cost_counts_as_often(self, counter: Counter) -> None:
        """A request that costs more takes more, and passes only if all of it fits."""
        meters = (meter("a-min", 10),)

        assert [True, False, True] == [counter.take(meters, cost).has_room for cost in (6, 5, 4)]

    def test_all_or_nothing(self, counter: Counter) -> None:
        """Where one limit has no room, none of the others is charged."""
        wide, narrow = meter("a-min", 10), meter("b-min", 1)
        assert counter.take((wide, narrow), 1).has_room

        refused = counter.take((wide, narrow), 1)

        assert not refused.has_room
        assert [9, 0] == [standing.remaining for standing in refused.standings]
        assert [9, 0] == [standing.remaining for standing in counter.look((wide, narrow))]
        assert [0, 9] == [standing.remaining for standing in counter.take((narrow, wide), 1).standings]

    def test_the_window_before_weighs_on_the_next(self, counter: Counter, clock: Clock) -> None:
        """At the end of a window nothing is forgotten: half a window later, half of it still counts."""
        meters = (meter("a-min", 10),)
        counter.take(meters, 10)
        clock.pass_time(60)
        assert not counter.take(meters, 1).has_room

        clock.pass_time(30)

        assert [True, False] == [counter.take(meters, cost).has_room for cost in (5, 1)]

    def test_after_two_windows_nothing_is_left(self, counter: Counter, clock: Clock) -> None:
        """What is older than the window before does not count."""
        meters = (meter("a-min", 10),)
        counter.take(meters, 10)
        clock.pass_time(120)

        assert counter.take(meters, 10).has_room

    def test_subjects_do_not_share(self, counter: Counter) -> None:
        """One key's requests are not another's, and windows of different lengths are apart."""
        for one in (meter("a-min", 1), meter("a-min", 1, of="k2"), meter("a-h", 1, 3600), meter("a-s", 1, 1)):
            assert counter.take((one,), 1).has_room

    def test_another_amount_keeps_the_count(self, counter: Counter) -> None:
        """Whoever raises a limit does not forget what has passed."""
        counter.take((meter("a-min", 3),), 3)

        assert 2 == counter.look((meter("a-min", 5),))[0].remaining
        assert not counter.take((meter("a-min", 2),), 1).has_room

    def test_counting_goes_on_after_closing(self, counter: Counter) -> None:
        """What was counted before is still there."""
        counter.take((meter("a-min", 3),), 3)
        counter.close()

        assert not counter.take((meter("a-min", 3),), 1).has_room
