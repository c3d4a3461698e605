"""What is promised of the answers of one process, whatever happened meanwhile.

Every answer must be what *some* version of the database says: one that the process may still believe in (no newer one
was committed longer ago than the bound, nor, where the change signal is heard, returned before the request began), and
none that is older than one that the process has answered from already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.model.store import GUESS

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from tests.model.store import Version

_ROUNDING = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request was told: ``admitted``, ``forbidden``, ``invalid`` or ``unavailable``, or how it failed."""

    what: str
    text: str
    key_id: str
    method: str
    began: float
    ended: float  # when the gate had looked for the last time: nothing awaits from there to the answer


def right_answer(record: KeyRecord | None, method: str) -> str:
    """What a request with a good secret is told if *record* is the truth."""
    if record is None or record.is_deleted or record.is_disabled or record.plan == "free":
        return "invalid"
    return "admitted" if {"GET": "items:read", "POST": "items:write"}[method] in record.permissions else "forbidden"


@dataclass(slots=True)
class Judge:
    """Looks at the answers of one process in the order in which they were given."""

    bound: float  # seconds
    versions: list[Version]
    hears: bool
    is_calm: bool  # nothing failed, so nothing may be unavailable
    returned: list[tuple[float, int]] = field(default_factory=list)  # when a change's caller knew, and its version
    faults: list[str] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    _believed: dict[str, int] = field(default_factory=dict)

    def listen(self, answer: Answer) -> None:
        """Judge one answer."""
        self.told[answer.what] = self.told.get(answer.what, 0) + 1
        if answer.what == "unavailable":
            if self.is_calm:
                self.faults.append(f"unavailable, though nothing failed: {answer}")
            return
        if answer.text == GUESS.text:
            if answer.what != "invalid":
                self.faults.append(f"a guessed secret was believed: {answer}")
            return
        oldest, newest = self._oldest_believable(answer), len(self.versions) - 1
        for number in range(max(oldest, self._believed.get(answer.key_id, 0)), newest + 1):
            if answer.what == right_answer(self.versions[number].records.get(answer.key_id), answer.method):
                self._believed[answer.key_id] = number
                return
        self.faults.append(f"no version from {oldest} to {newest} says so: {answer}")

    def _oldest_believable(self, answer: Answer) -> int:
        oldest = 0
        for number, version in enumerate(self.versions):
            if version.at < answer.ended - self.bound - _ROUNDING:
                oldest = number
        if self.hears:
            known = [number for at, number in self.returned if at < answer.began]
            oldest = max([oldest, *known])
        return oldest
