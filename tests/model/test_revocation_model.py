from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.model.rules_taken_out import MUTATIONS, Mutation
from tests.model.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

# Not measured: every line is elsewhere, and that takes longer than to run. A busy machine needs its time.
pytestmark = pytest.mark.timeout(600)

SCHEDULES = 20_000
SHARE = 5_000  # of them in one test


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Thousands of outages are reported; nobody reads that."""
    log = logging.getLogger("keyfob")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    yield
    log.setLevel(before)


@pytest.mark.cases("CR-02", "CR-05", "CR-07", "CR-10", "CR-14", "CR-15")
@pytest.mark.parametrize("first", range(0, SCHEDULES, SHARE))
def test_cr_13_no_schedule_makes_a_process_say_what_was_true_too_long_ago(first: int) -> None:
    """Whatever is slow, lost, evicted, left or stopped: every answer is one that may still be believed."""
    faults, told = {}, Counter[str]()
    for seed in range(first, first + SHARE):
        judge = Schedule(seed).run()
        told.update(judge.told)
        if judge.faults:
            faults[seed] = judge.faults

    assert {} == faults
    assert {"admitted", "forbidden", "invalid", "unavailable"} == set(told)
    assert min(told.values()) > SHARE / 10


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name.replace(" ", "-") for mutation in MUTATIONS])
def test_the_model_notices_when_a_rule_is_taken_out(mutation: Mutation) -> None:
    """Without any one of the rules, some schedule shows a broken promise; with all of them, the same one does not."""
    parts = mutation.parts()
    seed = next((seed for seed in range(SCHEDULES) if Schedule(seed, parts).run().faults), None)

    assert seed is not None
    assert [] == Schedule(seed).run().faults


def test_a_rule_that_is_written_in_other_words_has_to_be_found_anew() -> None:
    """A mutation that no longer fits the product is an error, not a rule that seems to hold."""
    mutation = Mutation("a rule of old", "freshness", "is_current", (("what it once said", ""),))

    with pytest.raises(LookupError, match=r"Freshness\.is_current does not say"):
        mutation.parts()


def test_a_seed_always_gives_the_same_schedule() -> None:
    """What was found once can be looked at again: same seed, same versions, same answers, at the same times."""

    def outcome(seed: int) -> tuple[object, ...]:
        judge = Schedule(seed).run()
        return judge.versions, judge.told, judge.returned, judge.faults

    for seed in range(50):
        assert outcome(seed) == outcome(seed)


def test_schedules_differ() -> None:
    """Seeds lead to different numbers of versions and answers, with and without the change_signal."""
    judges = [Schedule(seed).run() for seed in range(50)]

    assert 3 < len({len(judge.versions) for judge in judges})
    assert {True, False} == {judge.hears for judge in judges}
    assert {True, False} == {judge.is_calm for judge in judges}
