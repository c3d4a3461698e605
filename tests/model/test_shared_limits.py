"""The limits of one host under random schedules: they hold, and each rule of the algorithm is needed for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keyfob.limits import shared
from keyfob.limits.own_cell import OwnCell
from tests.model.shared_limits import AMOUNT, REQUESTS, Worker, counted_by, faults_of, run

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
    """While time stands still, the whole amount passes, but for a last request that met another worker's, and is early.

    Nothing stays counted of what was refused, so that whoever asks after that gets what is left.
    """
    for seed in range(SEEDS):
        everybody = run(seed, tmp_path, jumps=(0.0,))
        decisions = [decision for worker in everybody for decision in worker.decisions]
        passed = sum(decision.has_room for decision in decisions)
        assert AMOUNT - 1 <= passed, f"seed {seed}"
        assert counted_by(everybody) == passed, f"seed {seed}"
        assert REQUESTS * 3 == len(decisions)


class _NoFence:
    def acquire(self) -> None:
        pass

    __enter__ = acquire

    def release(self, *_: object) -> None:
        pass

    __exit__ = release


def without_fence(counter: Any) -> None:
    counter.fence = _NoFence()


def without_looking_at_the_clock_again(counter: Any) -> None:
    counter._file.looks_once = True


@pytest.mark.parametrize("alter", [without_fence, without_looking_at_the_clock_again])
def test_each_rule_is_needed(tmp_path: Path, alter: Callable[[Any], None]) -> None:
    """With one rule taken out, some schedule breaks the promise."""
    assert any(faults_of(run(seed, tmp_path, alter=alter)) for seed in range(TRIES))


def test_claims_must_be_retracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused request that stayed counted would take the place of one that may pass."""
    monkeypatch.setattr(OwnCell, "retract", lambda *_: None)

    def passed(seed: int) -> int:
        everybody = run(seed, tmp_path, jumps=(0.0,))
        return sum(decision.has_room for worker in everybody for decision in worker.decisions)

    assert any(passed(seed) < AMOUNT - 1 for seed in range(TRIES))


@pytest.mark.usefixtures("few_rows")
def test_a_row_must_still_be_the_subjects_after_the_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that did not look would go on counting where nobody else counts the same."""

    class Blind(bytes):
        def startswith(self, *args: Any) -> bool:
            return len(args) == 1 or super().startswith(*args)

    claim = Worker.claim
    monkeypatch.setattr(Worker, "claim", lambda *args: Blind(claim(*args)))

    assert any(faults_of(run(seed, tmp_path, subjects=3, jumps=(0.0, 0.3, 2.0, 3.0))) for seed in range(TRIES))
