from __future__ import annotations

from itertools import count

import pytest

from tests.history.checker import Event, Violation, What, understand


def change(called: float, returned: float | None, *, on: bool = False, key: str = "k") -> list[Event]:
    """One disabling, or enabling; without *returned*, its end was never seen."""
    names = (What.ENABLE_CALLED, What.ENABLE_RETURNED) if on else (What.DISABLE_CALLED, What.DISABLE_RETURNED)
    return [Event(at, what, key) for at, what in zip((called, returned), names, strict=True) if at is not None]


_numbers = count()


def asked(started: float, answered: float, status: int, *, key: str = "k", worker: int = 7) -> list[Event]:
    """One request with its answer."""
    number = next(_numbers)
    return [
        Event(started, What.REQUEST_STARTED, key, number),
        Event(answered, What.REQUEST_ANSWERED, key, number, status, worker),
    ]


OFF = change(10, 11)
OFF_AND_ON = [*OFF, *change(20, 21, on=True)]


def found(log: list[Event], bound: float = 2.0) -> list[Violation]:
    return understand(log).violations(bound)


BREAKS = [
    ("began after the bound", [*OFF, *asked(13.1, 13.2, 200)], 2.0),
    ("began just after the call returned, where it is in force at once", [*OFF, *asked(11.001, 11.002, 200)], 0.0),
    ("much later, when nobody watches any more", [*OFF, *asked(900, 901, 200)], 2.0),
    ("answered before the key was switched on", [*OFF_AND_ON, *asked(19, 19.9, 200)], 2.0),
    ("the second time that the key is off", [*OFF_AND_ON, *change(30, 31), *asked(34, 34.1, 200)], 2.0),
    ("refused long after the key was on again", [*OFF_AND_ON, *asked(23.1, 23.2, 401)], 2.0),
]
KEEPS = [
    ("began before the call returned, however long it took", [*OFF, *asked(10.9, 60, 200)], 0.0),
    ("began within the bound", [*OFF, *asked(12.9, 13.5, 200)], 2.0),
    ("refused at once", [*OFF, *asked(10.1, 10.2, 401)], 2.0),
    ("refused at the end", [*OFF, *asked(99, 100, 401)], 2.0),
    ("unavailable is no admission", [*OFF, *asked(99, 100, 503)], 2.0),
    ("may have been on again before the answer", [*OFF_AND_ON, *asked(19, 20.5, 200)], 2.0),
    ("admitted after the key was on again", [*OFF_AND_ON, *asked(21.1, 21.2, 200)], 2.0),
    ("refused within the bound of the enabling", [*OFF_AND_ON, *asked(22.9, 23.2, 401)], 2.0),
    ("unavailable is no refusal of the key", [*OFF_AND_ON, *asked(24, 25, 503)], 2.0),
    ("refused because it is off again", [*OFF_AND_ON, *change(30, 31), *asked(29, 30.5, 401)], 2.0),
    ("another key", [*OFF, *asked(99, 100, 200, key="other")], 2.0),
    ("an answer that never came", [*OFF, *asked(99, 100, 200)[:1]], 2.0),
    ("a disabling that never returned promises nothing", [*change(10, None), *asked(99, 100, 200)], 2.0),
]


@pytest.mark.parametrize(("log", "bound"), [case[1:] for case in BREAKS], ids=[case[0] for case in BREAKS])
def test_what_breaks_the_promise_is_found(log: list[Event], bound: float) -> None:
    """An admission that began after a disable was due, or a refusal after an enable was, is one violation."""
    assert 1 == len(found(log, bound))


@pytest.mark.parametrize(("log", "bound"), [case[1:] for case in KEEPS], ids=[case[0] for case in KEEPS])
def test_what_keeps_the_promise_is_not_found(log: list[Event], bound: float) -> None:
    """What is in time, what overlaps a change, and what is neither admitted nor refused, is no violation."""
    assert [] == found(log, bound)


def test_every_violation_is_reported_with_who_and_how_late() -> None:
    """The report names each request, the worker that answered it, and the seconds beyond the bound."""
    log = [*OFF, *asked(13.5, 13.6, 200, worker=4), *asked(12, 12.5, 200), *asked(15, 15.1, 200, worker=5)]

    assert [(4, 0.5), (5, 2.0)] == [(violation.request.worker, violation.late) for violation in found(log)]


def test_the_order_of_the_log_does_not_matter() -> None:
    """Events may be written down late; their times count."""
    log = [*OFF_AND_ON, *asked(13.5, 13.6, 200), *asked(25, 26, 401)]

    assert found(log) == found(log[::-1])
    assert 2 == len(found(log))


def test_an_answer_without_a_request_is_no_history() -> None:
    """A log that cannot be true is refused, rather than judged."""
    with pytest.raises(ValueError, match="an answer without a request"):
        understand(asked(1, 2, 200)[1:])


@pytest.mark.parametrize("log", [[*OFF, *change(12, 13)], change(1, 2, on=True), [*OFF, OFF[1]]])
def test_a_key_goes_off_and_on_by_turns(log: list[Event]) -> None:
    """A log that disables what is off already, or enables what is on, is refused."""
    with pytest.raises(ValueError, match="by turns"):
        understand(log)
