"""Limits of one request: which apply, whether they have room, and what the client is told of them.

The header fields are those of draft-ietf-httpapi-ratelimit-headers: ``RateLimit-Policy`` names every limit of the
request, and ``RateLimit`` says where each stands.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from keyfob.errors import LimitsUnavailable
from keyfob.gate.verdict import Denied, Granted, Reason
from keyfob.limits.windows import Meter, subject_of
from keyfob.policy.limits import PlanLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.gate.credentials import Header
    from keyfob.gate.key_cache import Entry
    from keyfob.limits.windows import Counter, Standing
    from keyfob.policy.limits import Limit
    from keyfob.rules.table import Rule

log = logging.getLogger("keyfob")

_REMEMBERED = 65_536  # sets of meters, one for each key and kind of rule in use


class RateLimiter:
    """Counts requests of keys that were found to hold what their rule needs."""

    def __init__(
        self, limits: Mapping[str, Limit], counter: Counter, *, headers: str = "always", observes: bool = False
    ) -> None:
        """Count with *counter* what *limits* allow.

        Args:
            limits: every limit by its name.
            counter: where requests are counted.
            headers: which responses carry the header fields: "always", "refusals" or "never".
            observes: whether what is beyond a limit is only logged.
        """
        self._limits = limits
        self._counter = counter
        self._on_grant = headers == "always"
        self._on_refusal = headers != "never"
        self.observes = observes
        self.meters_of = lru_cache(_REMEMBERED)(self._meters_of)

    def judge(self, entry: Entry, granted: Granted, rule: Rule) -> Granted | Denied:
        """Count a request of *entry* under *rule*, or deny it. *granted* is what it gets beside limits."""
        meters = self.meters_of(entry.key_id, entry.grant.team, entry.limits, rule.limits)
        try:
            outcome = self._counter.take(meters, rule.cost)
        except LimitsUnavailable:
            return Denied(Reason.LIMITS_UNAVAILABLE, entry.key_id, announcement=granted.announcement)
        if outcome.has_room:
            if not self._on_grant or not outcome.standings:
                return granted
            return Granted(granted.grant, granted.key_char, (granted.announcement or ()) + _headers(outcome.standings))
        full = [standing for standing in outcome.standings if _is_full(standing, rule.cost)]
        wait = max((standing.wait_for(rule.cost) for standing in full), default=1)
        headers: tuple[Header, ...] = _headers(outcome.standings) if self._on_refusal else ()
        if self.observes:
            _log_observed(entry.key_id, rule)
        headers = (granted.announcement or ()) + headers + ((b"retry-after", b"%d" % wait),)
        return Denied(Reason.LIMITED, entry.key_id, announcement=headers)

    def _meters_of(self, key_id: str, team: str, own: PlanLimits | None, of_rule: tuple[str, ...]) -> tuple[Meter, ...]:
        """What a request is counted for: the limits of key and rule, each once, and those of the team."""
        each, shared = own or PlanLimits()
        names = dict.fromkeys((*each, *of_rule))
        counted = [("key", key_id, name, "") for name in names] + [("team", team, name, "-team") for name in shared]
        return tuple(
            Meter(subject_of(kind, of, f"{name}-{rate.unit}"), f"{name}-{rate.unit}{ending}", rate.amount, rate.seconds)
            for kind, of, name, ending in counted
            for rate in self._limits[name].rates
        )


def _is_full(standing: Standing, cost: int) -> bool:
    return not standing._replace(current=standing.current + cost).fits()


def _log_observed(key_id: str, rule: Rule) -> None:
    log.info(
        "key %s is beyond its limits for %s, and passes, because they are only observed",
        key_id,
        rule.text,
        extra={"event": "limit_observed"},
    )


def _headers(standings: tuple[Standing, ...]) -> tuple[Header, ...]:
    policy = _policy(tuple(standing.meter for standing in standings))
    now = ", ".join(f'"{each.meter.name}";r={each.remaining};t={each.seconds_to_end}' for each in standings)
    return (b"ratelimit-policy", policy), (b"ratelimit", now.encode("ascii"))


@lru_cache(_REMEMBERED)
def _policy(meters: tuple[Meter, ...]) -> bytes:
    return ", ".join(f'"{meter.name}";q={meter.amount};w={meter.seconds}' for meter in meters).encode("ascii")
