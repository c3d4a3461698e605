from __future__ import annotations

from bench.revocation import ROWS, shown
from tests.history.checker import Event, What, understand

OFF = [Event(10.0, What.DISABLE_CALLED, "k"), Event(10.5, What.DISABLE_RETURNED, "k")]
ON = [Event(20.0, What.ENABLE_CALLED, "k"), Event(20.1, What.ENABLE_RETURNED, "k")]


def asked(number: int, started: float, status: int) -> list[Event]:
    """One request that took 0.25 seconds."""
    answered = Event(started + 0.25, What.REQUEST_ANSWERED, "k", number, status, 1)
    return [Event(started, What.REQUEST_STARTED, "k", number), answered]


def figures(*logs: list[Event]) -> list[float]:
    """The milliseconds of a history of one revocation, in the order of `ROWS`."""
    rows = shown(understand([event for log in logs for event in log])).rows
    return [rows[row][0] for row in ROWS]


def test_the_figures_count_from_the_call_and_from_its_return() -> None:
    """An admission while the call is under way counts from the call alone, and what came before it not at all."""
    assert [500, 625, 125, 0] == figures(OFF, ON, asked(1, 9.875, 200), asked(2, 10.125, 200), asked(3, 10.375, 401))


def test_an_admission_after_the_return_shows() -> None:
    """A request that began after the call returned, and was admitted, is the last row's figure and a violation."""
    assert [500, 375, 750, 250] == figures(OFF, ON, asked(1, 10.125, 401), asked(2, 10.75, 200))


def test_what_is_admitted_after_the_key_was_on_again_is_no_late_admission() -> None:
    """Requests that were answered after the enabling was called say nothing of the disabling."""
    assert [500, 375, 0, 0] == figures(OFF, ON, asked(1, 10.125, 401), asked(2, 19.875, 200))


def test_the_report_counts_violations() -> None:
    """The table and the raw figures both say how many answers broke the promise."""
    log = [*OFF, *ON, *asked(1, 10.75, 200), *asked(2, 11.0, 401)]
    report = shown(understand(log))

    assert "violations, with a bound of 0 s: 1" in report.table()
    assert 1 == len(report.as_json()["violations"])
