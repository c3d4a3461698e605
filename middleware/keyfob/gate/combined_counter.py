"""Counts requests that have quotas, and perhaps limits besides: for all of them or for none.

A quota is taken first, from what this process holds, because that can be given back without asking anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from keyfob.errors import LimitsUnavailable
from keyfob.limits.windows import Outcome

if TYPE_CHECKING:
    from keyfob.limits.purses import Purse, QuotaOutcome
    from keyfob.limits.quota_book import QuotaBook
    from keyfob.limits.windows import Counter, Meter, RemoteCounter, Standing

UNAVAILABLE: Final = Outcome(has_room=False, standings=())
"""Nobody can say whether there is room, and requests may not pass meanwhile."""


class CombinedOutcome(NamedTuple):
    """Whether all had room for a request, and where they stand, with the request counted if they had."""

    has_room: bool
    standings: tuple[Standing, ...]
    quotas: QuotaOutcome


Counted: TypeAlias = Outcome | CombinedOutcome
"""What was counted: limits alone, or quotas, too."""


class CombinedCounter:
    """Counts in a *book* of quotas, and limits *here* or in a *remote* place."""

    def __init__(self, book: QuotaBook, here: Counter | None, remote: RemoteCounter | None) -> None:
        self._book = book
        self._here = here
        self._remote = remote

    def take(self, meters: tuple[Meter, ...], purses: tuple[Purse, ...], cost: int) -> Counted | None:
        """Count *cost* for each of *meters* and *purses* if all have room. None: an answer has to be waited for."""
        if meters and self._remote is not None:
            return None
        quotas = self._book.take(purses, cost)
        return None if quotas is None else self._with_limits(meters, quotas, cost)

    async def acquire(self, meters: tuple[Meter, ...], purses: tuple[Purse, ...], cost: int) -> Counted:
        """Do as `take`, and wait for what is needed. `UNAVAILABLE` stands for what nobody can count."""
        try:
            quotas = await self._book.acquire(purses, cost)
        except LimitsUnavailable:
            return UNAVAILABLE
        if not meters or self._remote is None:
            return self._with_limits(meters, quotas, cost)
        outcome = UNAVAILABLE
        try:
            outcome = await self._remote.take_remotely(meters, cost if quotas.has_room else 0)
        except LimitsUnavailable:
            return UNAVAILABLE
        finally:  # also where the client leaves meanwhile
            if not outcome.has_room:
                quotas = self._book.give_back(quotas, cost)
        return CombinedOutcome(outcome.has_room and quotas.has_room, outcome.standings, quotas)

    def _with_limits(self, meters: tuple[Meter, ...], quotas: QuotaOutcome, cost: int) -> Counted:
        """Count the limits, too, and give the quotas back if one of them has no room. Nothing is waited for."""
        if not meters or self._here is None:
            return CombinedOutcome(quotas.has_room, (), quotas)
        try:
            if not quotas.has_room:
                return CombinedOutcome(has_room=False, standings=self._here.look(meters), quotas=quotas)
            outcome = self._here.take(meters, cost)
        except LimitsUnavailable:
            self._book.give_back(quotas, cost)
            return CombinedOutcome(has_room=False, standings=(), quotas=quotas) if not quotas.has_room else UNAVAILABLE
        if not outcome.has_room:
            quotas = self._book.give_back(quotas, cost)
        return CombinedOutcome(*outcome, quotas)
