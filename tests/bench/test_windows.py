"""What the history of many decisions says, and that it is made."""

from __future__ import annotations

import pytest

from bench import windows
from keyfob.limits.windows import NS

SECOND = 1_000 * NS


def said(key: str, *decisions: tuple[str, float]) -> list[str]:
    """Lines of a history: what was said to *key*, and how many seconds after a window began."""
    return [f"{key} {verdict} {SECOND + int(after * NS)}\n" for verdict, after in decisions]


def test_a_window_with_more_than_its_limit_is_found() -> None:
    """Of each key by itself, and of each second."""
    many = said("1", *[("1", 0.5)] * 3, *[("1", 1.5)] * 2) + said("2", *[("1", 0.5)] * 2)
    found = windows.read(many, 2)

    assert (7, 7, 3, 2, 1) == (found.decisions, found.admitted, found.windows, found.full, found.above)
    assert 0 == windows.read(many, 3).above


def test_a_request_that_was_refused_early_is_found() -> None:
    """By how much room there was at that moment, what passed in the second before among it."""
    assert 0 == windows.read(said("1", ("1", 0.1), ("1", 0.2), ("0", 0.3)), 2).early
    assert 1 == windows.read(said("1", ("1", 0.1), ("0", 0.3), ("1", 0.2)), 2).early
    assert 0 == windows.read(said("1", ("1", 0.1), ("1", 0.2), ("0", 1.25)), 2).early
    assert 1 == windows.read(said("1", ("1", 0.1), ("1", 0.2), ("0", 1.5)), 2).early


def test_what_nobody_answered_is_in_no_window() -> None:
    """A call that Valkey did not answer in time is counted, and is neither admitted nor refused."""
    found = windows.read([*said("1", ("0", 0.5), ("1", 0.6)), "1 - 0\n"], 2)

    assert (3, 1, 1, 1, 1) == (found.decisions, found.admitted, found.refused, found.unanswered, found.windows)


@pytest.mark.timeout(600)
async def test_windows_hold_while_processes_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few thousand decisions of real processes on one host and in Valkey: none has more than its limit."""
    monkeypatch.setenv("BENCH_QUICK", "1")
    figures = await windows.measure(4_000)

    assert [0, 0] == figures.rows["windows above their limit"]
    assert all(figure is not None and figure >= 4_000 for figure in figures.rows["decisions"])
    assert all(figures.rows["processes killed"])
    assert figures.notes[-1].startswith("QUICK")
