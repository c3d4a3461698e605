"""What `keyfob doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's. *fix* says what to change."""

    level: str
    what: str
    detail: str
    fix: str = ""
