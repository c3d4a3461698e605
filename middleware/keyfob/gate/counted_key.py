"""What does not change from one limited request of a key to the next, so that it is found out once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from keyfob.gate.pending_use import NO_CELL
from keyfob.limits.windows import Meter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.gate.verdict import Granted, Header
    from keyfob.limits.windows import Repeating

_FORMS: Final = 1_024


class CountedKey:
    """One key under one rule, in one state of the key: `Entry.describe` drops it with all else that it replaces."""

    __slots__ = ("_field", "_policy", "again", "cell", "cost", "granted", "meters")

    def __init__(
        self, granted: Granted, meters: tuple[Meter, ...], cost: int, *, again: Repeating, is_told: bool
    ) -> None:
        """*again* counts its requests where it can; *is_told* is whether its client is told where its limits stand."""
        self.granted = granted
        self.meters = meters
        self.cost = cost
        self.again = again
        self.cell = NO_CELL
        """Where its last request was counted as a use: for the next one from the same address."""
        policy, field = _form(tuple([meter[1:] for meter in meters]))
        self._field = field if is_told else None
        self._policy = policy if granted.announcement is None else (*granted.announcement, *policy)

    def announcement(self, standing: tuple[int, ...]) -> tuple[Header, ...] | None:
        """What the client is told. *standing*: what may pass now, and the seconds to the end, of each meter in turn."""
        if self._field is None:
            return self.granted.announcement
        return (*self._policy, (b"ratelimit", self._field % standing))


@lru_cache(_FORMS)
def _form(rates: tuple[tuple[str, int, int], ...]) -> tuple[tuple[Header, ...], bytes]:
    """What all keys with the same *rates* share: the policy, and a form for where they stand."""
    policy = policy_of([Meter(b"", *rate) for rate in rates])
    field = ", ".join(f'"{name}";r=%d;t=%d' for name, _, _ in rates).encode("ascii")
    return ((b"ratelimit-policy", policy),), field


def policy_of(meters: Iterable[Meter]) -> bytes:
    """The field ``RateLimit-Policy``."""
    return ", ".join(f'"{meter.name}";q={meter.amount};w={meter.seconds}' for meter in meters).encode("ascii")
