"""Reads the quotas of ``[plans.*]``: how much may pass in a calendar day or month of UTC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from keyfob.errors import ConfigError
from keyfob.errors.suggestions import did_you_mean
from keyfob.keys.quota import MOST, Every, Quota

if TYPE_CHECKING:
    from collections.abc import Collection

_FIELDS: Final = ("amount", "every")
_EXAMPLE: Final = 'for example { amount = 10000, every = "month" }'


def read_quota(raw: object, where: str) -> Quota | None:
    """Read one quota; *where* begins the messages. None stands for none. Raises ConfigError."""
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where} must be a table with amount and every, {_EXAMPLE}")
    for field in raw:
        if field not in _FIELDS:
            raise ConfigError(f"{where} {field} is not a setting{did_you_mean(str(field), _FIELDS)}")
    for field in _FIELDS:
        if field not in raw:
            raise ConfigError(f"{where} needs {field}, {_EXAMPLE}")
    return Quota(_amount(raw["amount"], where), _every(raw["every"], where))


def _amount(value: object, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST:
        return value
    raise ConfigError(f"{where} amount must be a whole number from 1 to {MOST:,}")


def _every(value: object, where: str) -> Every:
    known: Collection[str] = [every.value for every in Every]
    if isinstance(value, str) and value in known:
        return Every(value)
    raise ConfigError(f'{where} every must be "month" or "day"')
