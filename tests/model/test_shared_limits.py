"""The limits of one host under random schedules: they hold, and each rule of the algorithm is needed for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keyfob.limits import shared
from tests.model.shared_limits import AMOUNT, REQUESTS, faults_of, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEEDS = 300
TRIES = 4_000  # until a rule that was taken out is missed


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows for three subjects, so that they are given away all the time."""
    monkeypatch.setattr(shared, "PROBES", 2)
    monkeypatch.setattr(shared, "ROWS", 3)


def test_no_window_has_more_than_the_amount(tmp_path: Path) -> None:
    """Whatever the order of steps, no window has more, and nothing of the window before is forgotten."""
    for seed in range(SEEDS):
        assert [] == faults_of(run(seed, tmp_path)), f"seed {seed}"


@pytest.mark.usefixtures("few_rows")
def test_rows_that_are_given_away_change_nothing(tmp_path: Path) -> None:
    """The same holds while subjects take one another's rows."""
    for seed in range(SEEDS):
        assert [] == faults_of(run(seed, tmp_path, subjects=3, jumps=(0.0, 0.3, 2.0, 3.0))), f"seed {seed}"


def test_all_that_may_pass_does(tmp_path: Path) -> None:
    """While time stands still, the whole amount passes, however the workers get into one another's way."""
    for seed in range(SEEDS):
        everybody = run(seed, tmp_path, jumps=(0.0,))
        passed = sum(outcome.has_room for worker in everybody for _, outcome, _ in worker.outcomes)
        assert AMOUNT == passed, f"seed {seed}"
        assert REQUESTS * 3 == sum(len(worker.outcomes) for worker in everybody)


class _NoFence:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def without_fence(counter: Any) -> None:
    counter._fence = _NoFence()


def without_retracting(counter: Any) -> None:
    counter._retract = lambda *_: None


def without_looking_at_the_clock_again(counter: Any) -> None:
    attempt, clock = counter._attempt, counter._clock

    def attempted(file: Any, meters: Any, cost: int, now: int) -> Any:
        counter._clock = lambda: now
        try:
            return attempt(file, meters, cost, now)
        finally:
            counter._clock = clock

    counter._attempt = attempted


@pytest.mark.parametrize("alter", [without_fence, without_looking_at_the_clock_again])
def test_each_rule_is_needed(tmp_path: Path, alter: Callable[[Any], None]) -> None:
    """With one rule taken out, some schedule breaks the promise."""
    assert any(faults_of(run(seed, tmp_path, alter=alter)) for seed in range(TRIES))


def test_claims_must_be_retracted(tmp_path: Path) -> None:
    """A refused request that stayed counted would take the place of one that may pass."""

    def passed(seed: int) -> int:
        everybody = run(seed, tmp_path, alter=without_retracting, jumps=(0.0,))
        return sum(outcome.has_room for worker in everybody for _, outcome, _ in worker.outcomes)

    assert any(passed(seed) < AMOUNT for seed in range(TRIES))


@pytest.mark.usefixtures("few_rows")
def test_a_row_must_still_be_the_subjects_after_the_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that did not look would go on counting where nobody else counts the same."""

    class Blind(bytes):
        def startswith(self, *args: Any) -> bool:
            return len(args) == 1 or super().startswith(*args)

    add = shared.SharedCounter._add
    monkeypatch.setattr(shared.SharedCounter, "_add", lambda *args: Blind(add(*args)))

    assert any(faults_of(run(seed, tmp_path, subjects=3, jumps=(0.0, 0.3, 2.0, 3.0))) for seed in range(TRIES))
