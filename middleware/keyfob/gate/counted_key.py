"""What does not change from one limited request of a key to the next, so that it is found out once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from keyfob.gate.verdict import Granted
from keyfob.limits.windows import Meter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.gate.credentials import Header
    from keyfob.limits.windows import Standing

NEAR: Final = 80  # percent of a limit, in one window, from which on a key is near it
_FORMS: Final = 1_024


class CountedKey:
    """One key under one rule, as it was when *granted* was made: another state of the key has another `Granted`."""

    __slots__ = ("_fields", "_told", "cost", "granted", "latest", "meters", "near")

    def __init__(self, granted: Granted, meters: tuple[Meter, ...], cost: int) -> None:
        self.granted = self.latest = granted
        self.meters = meters
        self.cost = cost
        policy, self._fields, self.near = _form(tuple([meter[1:] for meter in meters]))
        self._told = policy if granted.announcement is None else (*granted.announcement, *policy)

    def announcing(self, standings: Iterable[Standing]) -> Granted:
        """Give what a request gets that was counted, with what its client is told."""
        now = [field % standing.room for field, standing in zip(self._fields, standings)]  # noqa: B905 - as many
        told = (*self._told, (b"ratelimit", now[0] if len(now) == 1 else b", ".join(now)))
        granted, latest = (
            self.granted,
            self.latest,
        )  # what the ASGI edge made for the latest request serves this one, too
        self.latest = Granted(granted.grant, granted.key_char, told, latest.user, latest.auth)
        return self.latest


@lru_cache(_FORMS)
def _form(rates: tuple[tuple[str, int, int], ...]) -> tuple[tuple[Header, ...], tuple[bytes, ...], tuple[int, ...]]:
    """What all keys with the same *rates* share: the policy, a form for each count, and from where on it is near."""
    fields = tuple([b'"%b";r=%%d;t=%%d' % name.encode("ascii") for name, _, _ in rates])
    near = tuple([-(-amount * NEAR // 100) for _, amount, _ in rates])
    policy = policy_of([Meter(b"", *rate) for rate in rates])
    return ((b"ratelimit-policy", policy),), fields, near


def policy_of(meters: Iterable[Meter]) -> bytes:
    """The field ``RateLimit-Policy``."""
    return ", ".join(f'"{meter.name}";q={meter.amount};w={meter.seconds}' for meter in meters).encode("ascii")
