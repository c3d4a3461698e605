"""Reads what really happened, and finds every answer that breaks the promise of revocation.

The log is a list of events with times of one monotonic clock. A key is *off* from when its disabling returned, plus
the bound, until its enabling was called; it is *on* from when its enabling returned, plus the bound, until its next
disabling was called. In between nobody can say what is right. A request is judged by when it began and by when its
answer had come: one that began while the key was off must not be admitted, unless the key may have been on again before
the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

ADMITTED = 200
REFUSED = 401
_NEVER = float("inf")


class What(StrEnum):
    """What an event says."""

    DISABLE_CALLED = "disable_called"
    DISABLE_RETURNED = "disable_returned"
    ENABLE_CALLED = "enable_called"
    ENABLE_RETURNED = "enable_returned"
    REQUEST_STARTED = "request_started"
    REQUEST_ANSWERED = "request_answered"


class Event(NamedTuple):
    """One line of the log. *number* joins a request's two events; *status* and *worker* come with its answer."""

    at: float  # seconds of one monotonic clock
    what: What
    key: str
    number: int = 0
    status: int = 0
    worker: int = 0


class Request(NamedTuple):
    """A request that was answered."""

    key: str
    started: float
    answered: float
    status: int
    worker: int


@dataclass(frozen=True, slots=True)
class Revocation:
    """One disabling, and when the key was switched on again."""

    key: str
    called: float
    returned: float
    enable_called: float = _NEVER
    enable_returned: float = _NEVER


class Violation(NamedTuple):
    """A request that was answered what it must not be, and by how much it came too late."""

    request: Request
    late: float  # seconds after the bound
    why: str


@dataclass(frozen=True, slots=True)
class History:
    """A log, understood."""

    requests: list[Request]
    revocations: list[Revocation]

    def violations(self, bound: float) -> list[Violation]:
        """Every answer that breaks the promise that a change is in force *bound* seconds after it returned."""
        found = []
        of_key: dict[str, list[Revocation]] = {}
        for revocation in self.revocations:
            of_key.setdefault(revocation.key, []).append(revocation)
        for request in self.requests:
            if request.key not in of_key:
                continue
            switched = of_key[request.key]
            ends = [later.called for later in switched[1:]] + [_NEVER]
            for revocation, next_called in zip(switched, ends, strict=True):
                found += _judged(request, revocation, next_called, bound)
        return found


def _judged(request: Request, revocation: Revocation, next_called: float, bound: float) -> list[Violation]:
    off, on = revocation.returned + bound, revocation.enable_returned + bound
    if request.status == ADMITTED and request.started > off and request.answered < revocation.enable_called:
        return [Violation(request, request.started - off, "admitted, though the key was off")]
    if request.status == REFUSED and request.started > on and request.answered < next_called:
        return [Violation(request, request.started - on, "refused, though the key was on")]
    return []


def understand(log: Iterable[Event]) -> History:
    """Join the events of *log*, in any order. A request without an answer, and a change without an end, prove nothing.

    Raises:
        ValueError: the log cannot be true: an answer without a request, or a disabling of what is off.

    """
    started: dict[int, Event] = {}
    requests: list[Request] = []
    switched: dict[str, list[Event]] = {}
    for event in sorted(log, key=lambda one: one.at):
        if event.what is What.REQUEST_STARTED:
            started[event.number] = event
        elif event.what is What.REQUEST_ANSWERED:
            if event.number not in started:
                raise ValueError(f"an answer without a request: {event}")
            began = started.pop(event.number)
            requests.append(Request(began.key, began.at, event.at, event.status, event.worker))
        else:
            switched.setdefault(event.key, []).append(event)
    return History(requests, [one for events in switched.values() for one in _revocations(events)])


_ORDER = (What.DISABLE_CALLED, What.DISABLE_RETURNED, What.ENABLE_CALLED, What.ENABLE_RETURNED)


def _revocations(events: list[Event]) -> list[Revocation]:
    """Take the switching of one key apart: off, on, off again."""
    for place, event in enumerate(events):
        if event.what is not _ORDER[place % len(_ORDER)]:
            raise ValueError(f"a key is switched off and on by turns, but here: {event}")
    turns = [[event.at for event in events[start : start + 4]] for start in range(0, len(events), 4)]
    return [Revocation(events[0].key, *turn) for turn in turns if len(turn) > 1]
