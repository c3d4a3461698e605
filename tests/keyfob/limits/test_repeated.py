from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keyfob.limits import cells, shared
from keyfob.limits.shared import SharedCounter
from tests.keyfob.limits.as_the_gate import AsTheGate
from tests.keyfob.limits.counter_contract import Clock, CounterContract, meter

if TYPE_CHECKING:
    from pathlib import Path


class TestRepeatedTake(CounterContract):
    """A request like the one before is counted in fewer steps, and no otherwise."""

    @pytest.fixture
    def counter(self, path: Path, clock: Clock) -> AsTheGate:
        return AsTheGate(SharedCounter(path, clock=clock))


def test_a_repeated_request_is_counted_beside_those_of_other_workers(path: Path, clock: Clock) -> None:
    """It sees what they counted meanwhile, tells where all limits stand, and takes nothing where one has no room."""
    one, other = (AsTheGate(SharedCounter(path, clock=clock)) for _ in range(2))
    both = (meter("a-h", 100, 3600), meter("a-min", 4))
    assert [[99, 3], [98, 2]] == [[each.remaining for each in one.take(both, 1).standings] for _ in range(2)]
    assert [97, 1] == [each.remaining for each in other.take(both, 1).standings]

    assert [96, 0] == [each.remaining for each in one.take(both, 1).standings]
    assert not one.take(both, 1).has_room
    assert [96, 0] == [each.remaining for each in other.look(both)]
    assert 2 == one.repeated


def test_what_was_repeated_goes_on_in_the_next_window(path: Path, clock: Clock) -> None:
    """A new window needs nothing to be found anew, and the one before weighs on it."""
    counter = AsTheGate(SharedCounter(path, clock=clock))
    meters = (meter("a-min", 10),)
    for _ in range(4):
        counter.take(meters, 1)
    clock.pass_time(75)  # a second has passed, too, after which the file is looked for again
    counter.take(meters, 1)
    clock.pass_time(0.5)

    assert 10 - 2 - 3 == counter.take(meters, 1).standings[0].remaining


def test_no_request_is_repeated_after_the_file_was_closed(path: Path, clock: Clock) -> None:
    """A cell is written by one who has it alone: what was remembered of it is of no use in another file or process."""
    counter = SharedCounter(path, clock=clock)
    meters = (meter("a-min", 10),)
    counter.take(meters, 1)
    again = counter.repeating(meters, 1)
    assert (8, 60) == again.take()
    counter.close()
    other = SharedCounter(path, clock=clock)
    other.take(meters, 1)

    assert again.take() is None
    counter.take(meters, 1)  # in another column
    assert again.take() is None
    assert 5 == other.take(meters, 1).standings[0].remaining


def test_a_repeated_request_looks_for_the_file_once_a_second(path: Path, clock: Clock) -> None:
    """Nobody counts for long in a file that was removed, however often the same key asks."""
    counter = SharedCounter(path, clock=clock)
    meters = (meter("a-min", 10),)
    counter.take(meters, 1)
    again = counter.repeating(meters, 1)
    path.unlink()
    assert again.take() is not None
    clock.pass_time(1)

    assert again.take() is None
    assert counter.take(meters, 10).has_room
    assert path.exists()


def test_a_repeated_request_is_not_counted_behind_another_worker(path: Path, clock: Clock) -> None:
    """A worker that is in the next window has written over what it counted in the one before this."""
    later = Clock()
    here, ahead = SharedCounter(path, clock=clock), SharedCounter(path, clock=later)
    meters = (meter("a-min", 10),)
    here.take(meters, 1)
    again = here.repeating(meters, 1)
    later.pass_time(60)
    ahead.take(meters, 1)

    assert again.take() is None
    assert (1, 1) == ahead.look(meters)[0][1:3]


def test_a_repeated_request_is_not_counted_in_a_row_that_was_given_away(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else would count it there, and whoever has the row now would be charged."""
    monkeypatch.setattr(shared, "ROWS", cells.PROBES + 1)
    one, two = SharedCounter(path, clock=clock), SharedCounter(path, clock=clock)
    old = (meter("a-min", 10, of="old"),)
    one.take(old, 1)
    again = one.repeating(old, 1)
    clock.pass_time(180)
    new = [(meter("a-min", 10, of=f"new{number}"),) for number in range(cells.PROBES)]
    assert all(two.take(meters, 1).has_room for meters in new)
    one.look(old)  # so that it need not look for the file

    assert again.take() is None
    assert [9] * cells.PROBES == [two.look(meters)[0].remaining for meters in new]


def test_what_cannot_be_written_is_not_counted(path: Path, clock: Clock) -> None:
    """A request that meets an error is left to whoever says what happens then."""
    counter = SharedCounter(path, clock=clock)
    meters = (meter("a-h", 10, 3600), meter("a-min", 10))
    counter.take(meters, 1)
    again = counter.repeating(meters, 1)
    file = counter._opened(clock())
    descriptor, file.descriptor = file.descriptor, os.open(path, os.O_RDONLY)

    assert again.take() is None
    os.close(file.descriptor)
    file.descriptor = descriptor
    assert [8, 8] == [each.remaining for each in counter.take(meters, 1).standings]
