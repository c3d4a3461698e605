"""Reads ``[limits.*]`` and what ``[plans.*]`` say of them.

A limit has one or more rates, ``"100/min"``: an amount and one of `UNITS`. Each rate is counted in windows of its unit,
aligned to the clock (UTC), and is known to clients by the limit's name and its unit: ``standard-min``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from keyfob.errors import ConfigError
from keyfob.errors.suggestions import did_you_mean
from keyfob.policy.quotas import read_quota

if TYPE_CHECKING:
    from collections.abc import Collection

    from keyfob.keys.quota import Quota

UNITS: Final[Mapping[str, int]] = MappingProxyType({"s": 1, "min": 60, "h": 3600, "day": 86_400})
MOST: Final = 1_000_000_000  # of an amount; four workers' counts of it still fit into 32 bits

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RATE = re.compile(r"([0-9]{1,10})/([a-z]+)")
_EXAMPLE = 'for example "100/min" or ["100/min", "5000/day"]'


class Rate(NamedTuple):
    """How much may pass in one window."""

    amount: int
    unit: str

    @property
    def seconds(self) -> int:
        """The length of a window."""
        return UNITS[self.unit]


@dataclass(frozen=True, slots=True)
class Limit:
    """One entry of ``[limits.*]``. All of its rates must have room."""

    name: str
    rates: tuple[Rate, ...]


class PlanLimits(NamedTuple):
    """The limits that a plan sets, by name, and its quotas."""

    each: tuple[str, ...] = ()  # for each key of a team
    team: tuple[str, ...] = ()  # for all keys of a team together
    quota: Quota | None = None  # for each key of a team
    team_quota: Quota | None = None  # for all keys of a team together


def read_limits(raw: object) -> dict[str, Limit]:
    """Read the limits by name. Raises ConfigError."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise ConfigError("[limits] must hold tables, such as [limits.standard]")
    return {name: _limit(name, entry) for name, entry in raw.items()}


def read_plan_limits(raw: object, known: Collection[str]) -> dict[str, PlanLimits]:
    """Read which of the *known* limits the plans set, and which quotas. Raises ConfigError."""
    plans = raw.items() if isinstance(raw, Mapping) else ()
    return {
        name: PlanLimits(
            limit_names(plan.get("limits", ()), known, f"[plans.{name}] limits"),
            limit_names(plan.get("team_limits", ()), known, f"[plans.{name}] team_limits"),
            read_quota(plan.get("quota"), f"[plans.{name}] quota"),
            read_quota(plan.get("team_quota"), f"[plans.{name}] team_quota"),
        )
        for name, plan in plans
        if isinstance(plan, Mapping)
    }


def limit_names(raw: object, known: Collection[str], where: str) -> tuple[str, ...]:
    """Read names of *known* limits, each once. *where* begins the messages. Raises ConfigError."""
    if not isinstance(raw, list | tuple) or not all(isinstance(name, str) for name in raw):
        raise ConfigError(f'{where} must be a list of limits, for example ["standard"]')
    for name in raw:
        if name not in known:
            raise ConfigError(f"{where}: there is no [limits.{name}]{did_you_mean(name, known)}")
    return tuple(dict.fromkeys(raw))


def _limit(name: object, entry: object) -> Limit:
    where = f"[limits.{name}]"
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ConfigError(f"{where} is not a name for a limit; use a-z, 0-9, hyphen and underscore, a letter first")
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} must be a table with a rate, {_EXAMPLE}")
    for field in entry:
        if field != "rate":
            raise ConfigError(f"{where} {field} is not a setting{did_you_mean(str(field), ('rate',))}")
    raw = entry.get("rate")
    texts = [raw] if isinstance(raw, str) else raw
    if not isinstance(texts, list | tuple) or not texts:
        raise ConfigError(f"{where} needs a rate, {_EXAMPLE}")
    rates = tuple(_rate(text, where) for text in texts)
    if len({rate.unit for rate in rates}) != len(rates):
        raise ConfigError(f"{where} rate has two amounts for one unit; keep the smaller one")
    return Limit(name, rates)


def _rate(text: object, where: str) -> Rate:
    found = _RATE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ConfigError(f"{where} rate {text!r} cannot be read; write an amount and a unit, {_EXAMPLE}")
    amount, unit = int(found[1]), found[2]
    if unit not in UNITS:
        raise ConfigError(f"{where} rate {text!r}: the unit must be one of {', '.join(UNITS)}")
    if not 1 <= amount <= MOST:
        raise ConfigError(f"{where} rate {text!r}: the amount must be from 1 to {MOST:,}")
    return Rate(amount, unit)
