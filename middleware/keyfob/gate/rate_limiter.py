"""Limits of one request: which apply, whether they have room, and what the client is told of them.

The header fields are those of draft-ietf-httpapi-ratelimit-headers: ``RateLimit-Policy`` names every limit of the
request, and ``RateLimit`` says where each stands.
"""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from keyfob.errors import LimitsUnavailable
from keyfob.gate.combined_counter import UNAVAILABLE, CombinedCounter, CombinedOutcome
from keyfob.gate.counted_key import CountedKey, policy_of
from keyfob.gate.verdict import Denied, Granted, Reason
from keyfob.limits.meters import KeyLimits, meters_of
from keyfob.limits.purses import purses_of, quota_now, wait_for
from keyfob.limits.windows import ANEW, NEAR, RemoteCounter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keyfob.gate.combined_counter import Counted
    from keyfob.gate.known_key import Entry
    from keyfob.gate.near_limits import NearLimits
    from keyfob.gate.verdict import Header
    from keyfob.limits.purses import Purse
    from keyfob.limits.quota_book import QuotaBook
    from keyfob.limits.windows import Counter, Meter, Repeating
    from keyfob.policy.limits import Limit
    from keyfob.rules.table import Rule

log = logging.getLogger("keyfob")

_NAMES = 2  # fields of KeyLimits that name limits; the others depend on the time, or are not counted here
_REMEMBERED = 65_536  # sets of meters, one for each key and kind of rule in use


class Uncounted(NamedTuple):
    """A request that is judged once `RateLimiter.count` has counted it."""

    meters: tuple[Meter, ...]
    cost: int
    purses: tuple[Purse, ...] = ()


class RateLimiter:
    """Counts requests of keys that were found to hold what their rule needs."""

    def __init__(
        self,
        limits: Mapping[str, Limit],
        counter: Counter | RemoteCounter | None,
        quotas: QuotaBook,
        *,
        headers: str = "always",
        observes: bool = False,
        near: NearLimits | None = None,
        now: Callable[[], float] = time.time,  # seconds since the epoch: only raised limits look at it
    ) -> None:
        """Count with *counter* what *limits* allow.

        Args:
            limits: every limit by its name.
            counter: where requests are counted; None where there are no limits.
            quotas: what this process holds of quotas.
            headers: which responses carry the header fields: "always", "refusals" or "never".
            observes: whether what is beyond a limit is only logged.
            near: is told of keys that have used `NEAR` of a limit; None: nobody is.
            now: the clock.
        """
        self._near = near
        self._limits = limits
        # Found out once: asking a protocol costs more than counting.
        self._remote = counter if isinstance(counter, RemoteCounter) else None
        self._here = None if isinstance(counter, RemoteCounter) else counter
        self._combined = CombinedCounter(quotas, self._here, self._remote)
        self._on_grant = headers == "always"
        self._on_refusal = headers != "never"
        self.observes = observes
        self._now = now
        self._meters = lru_cache(_REMEMBERED)(self._meters_of)
        self._tell = self._note  # one bound method for all keys
        self._purses = lru_cache(_REMEMBERED)(purses_of)

    def judge(
        self, entry: Entry, granted: Granted, rule: Rule, outcome: Counted | None = None
    ) -> Granted | Denied | Uncounted:
        """Count a request of *entry* under *rule*, or deny it. *granted* is what it gets beside limits.

        *outcome* is what `count` said, where the request was `Uncounted` before.
        """
        own = entry.limits
        factor = 1.0 if own is None or own.raised is None else own.factor(self._now())
        counted_as, team = entry.counted_as, entry.granted.grant.team
        meters = self._meters(counted_as, team, own, rule.limits, factor)
        if own is not None and (own.quota is not None or own.team_quota is not None):
            purses = self._purses(
                entry.counted_as, entry.granted.grant.team, quota_now(own, self._now()), own.team_quota
            )
            outcome = outcome or self._combined.take(meters, purses, rule.cost)
            if outcome is None:
                return Uncounted(meters, rule.cost, purses)
        elif not meters:
            return granted
        if outcome is None:
            if self._here is None:
                return Uncounted(meters, rule.cost)
            try:
                outcome = self._here.take(meters, rule.cost)
            except LimitsUnavailable:
                outcome = UNAVAILABLE
            else:
                self._remember(entry, granted, rule, meters)
        if outcome is UNAVAILABLE:
            return Denied(Reason.LIMITS_UNAVAILABLE, entry.key_id, announcement=granted.announcement)
        return self._answer(entry, granted, rule, outcome)

    def take_anew(self, counted: CountedKey) -> tuple[int, ...] | None:
        """Count one more request of a key where `CountedKey.again` could not, and answer as it does.

        None: it is not admitted so, nothing was counted, and `judge` has to say.
        """
        counted.again = ANEW
        if self._here is None:
            return None
        try:
            outcome = self._here.take(counted.meters, counted.cost)
        except LimitsUnavailable:
            return None
        if not outcome.has_room or not outcome.standings:
            return None
        self._note_near(counted.granted.grant.key_id, outcome)
        counted.again = self._repeating(counted.granted, counted.meters, counted.cost)
        return tuple([number for standing in outcome.standings for number in standing.room])

    def _remember(self, entry: Entry, granted: Granted, rule: Rule, meters: tuple[Meter, ...]) -> None:
        """Let the next requests of a key be counted alone, unless something beside its counts has a say in them."""
        if entry.limits is None or not any(entry.limits[_NAMES:]):
            again = self._repeating(granted, meters, rule.cost)
            counted = CountedKey(granted, meters, rule.cost, again=again, is_told=self._on_grant)
            entry.counted = {**entry.counted, rule: counted}

    def _repeating(self, granted: Granted, meters: tuple[Meter, ...], cost: int) -> Repeating:
        if self._here is None:
            return ANEW
        watch = None if self._near is None else (self._tell, granted.grant.key_id)
        return self._here.repeating(meters, cost, watch)

    def _note(self, key_id: str, meter: Meter) -> None:
        if self._near is not None:
            self._near.note(key_id, meter.name, meter.amount, meter.seconds, self._now())

    async def count(self, uncounted: Uncounted) -> Counted:
        """Count where waiting is needed. `UNAVAILABLE` stands for a request that nobody may judge."""
        meters, cost, purses = uncounted
        if purses:
            return await self._combined.acquire(meters, purses, cost)
        if self._remote is None:
            return UNAVAILABLE
        try:
            return await self._remote.take_remotely(meters, cost)
        except LimitsUnavailable:
            return UNAVAILABLE

    def _answer(self, entry: Entry, granted: Granted, rule: Rule, outcome: Counted) -> Granted | Denied:
        self._note_near(entry.key_id, outcome)
        if outcome.has_room:
            if not self._on_grant or not (outcome.standings or isinstance(outcome, CombinedOutcome)):
                return granted
            return Granted(granted.grant, granted.key_char, (granted.announcement or ()) + _headers(outcome))
        full = [standing for standing in outcome.standings if not standing.has_room_for(rule.cost)]
        wait = max((standing.wait_for(rule.cost) for standing in full), default=1)
        reason = Reason.LIMITED
        if isinstance(outcome, CombinedOutcome) and not outcome.quotas.has_room:
            wait, reason = max(wait, wait_for(outcome.quotas.standings, rule.cost)), Reason.QUOTA_EXCEEDED
        headers: tuple[Header, ...] = _headers(outcome) if self._on_refusal else ()
        if self.observes:
            _log_observed(entry.key_id, rule)
        headers = (granted.announcement or ()) + headers + ((b"retry-after", b"%d" % wait),)
        return Denied(reason, entry.key_id, announcement=headers)

    def _note_near(self, key_id: str, outcome: Counted) -> None:
        if self._near is None:
            return
        near = []
        for standing in outcome.standings:
            used = standing.current if outcome.has_room else standing.meter.amount - standing.remaining
            if used * 100 >= standing.meter.amount * NEAR:
                near.append(standing.meter[1:])
        if isinstance(outcome, CombinedOutcome):
            quotas = outcome.quotas.standings
            near += [one[:3] for one in quotas if (one.amount - one.remaining) * 100 >= one.amount * NEAR]
        for name, amount, seconds in near:
            self._near.note(key_id, name, amount, seconds, self._now())

    def _meters_of(
        self, counted_as: str, team: str, own: KeyLimits | None, of_rule: tuple[str, ...], factor: float
    ) -> tuple[Meter, ...]:
        return meters_of(
            self._limits, counted_as=counted_as, team=team, own=own or KeyLimits(), of_rule=of_rule, factor=factor
        )


def _log_observed(key_id: str, rule: Rule) -> None:
    log.info(
        "key %s is beyond its limits for %s, and passes, because they are only observed",
        key_id,
        rule.text,
        extra={"event": "limit_observed"},
    )


def _headers(outcome: Counted) -> tuple[Header, ...]:
    policy = policy_of([standing.meter for standing in outcome.standings])
    now = [f'"{each.meter.name}";r={each.remaining};t={each.seconds_to_end}' for each in outcome.standings]
    if isinstance(outcome, CombinedOutcome):
        quotas = outcome.quotas.standings
        policy = b", ".join(filter(None, (policy, _quota_policy(tuple([one[:3] for one in quotas])))))
        now += [f'"{each.name}";r={each.remaining};t={each.seconds_to_end}' for each in quotas]
    return (b"ratelimit-policy", policy), (b"ratelimit", ", ".join(now).encode("ascii"))


@lru_cache(_REMEMBERED)
def _quota_policy(quotas: tuple[tuple[str, int, int], ...]) -> bytes:
    return ", ".join(f'"{name}";q={amount};w={seconds}' for name, amount, seconds in quotas).encode("ascii")
