"""Reads ``[permissions]``, ``[key_types.*]`` and ``[plans.*]`` over the defaults.

An entry with the name of a default changes only the fields that it has: ``[key_types.computer] label = "Laptop key"``
stays one per team. ``per_team = "many"`` and ``permissions = "chosen"`` undo a default's limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError
from keyfob.errors.suggestions import did_you_mean
from keyfob.policy.key_types import ADMIN, DEFAULT_KEY_TYPES, DEFAULT_PLAN, DEFAULT_PLANS, KeyType
from keyfob.policy.lifetimes import read_length, written_length
from keyfob.policy.permissions import ADMIN_PERMISSIONS, is_permission

if TYPE_CHECKING:
    from collections.abc import Collection

_TYPE_NAME = re.compile(r"[a-z][a-z0-9]{1,15}")
_PLAN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TYPE_FIELDS = (
    "label",
    "per_team",
    "permissions",
    "expiry",
    "default_lifetime",
    "max_lifetime",
    "ip_allow",
    "when_owner_leaves",
)
_MOST_PER_TEAM = 1_000_000
_LONGEST = timedelta(days=36_500)
_PLAN_FIELDS = ("key_types", "limits", "team_limits", "quota", "team_quota")


def read_labels(raw: object) -> dict[str, str]:
    """Read the catalogue: a table of labels by permission, or a list of permissions. Raises ConfigError."""
    if not isinstance(raw, Mapping):
        raw = {name: name for name in _names(raw, "[permissions]")}
    return {name: _label(name, label) for name, label in _table(raw, "[permissions]").items()}


def read_key_types(raw: object) -> dict[str, KeyType]:
    """Read tables by name, each merged over the default of that name. Raises ConfigError."""
    tables = _table(raw, "[key_types]")
    return {name: _key_type(name, table, DEFAULT_KEY_TYPES.get(name)) for name, table in tables.items()}


def read_plans(raw: object, types: Collection[str]) -> dict[str, frozenset[str]]:
    """Read the types that each plan includes, out of *types*. Raises ConfigError.

    A plan that says nothing of types includes those of the default of its name, or of the plan ``enterprise``.
    """
    return {name: _plan(name, plan, types) for name, plan in _table(raw, "[plans]").items()}


def _label(name: str, label: object) -> str:
    where = f'[permissions] "{name}"'
    if not is_permission(name):
        raise ConfigError(f'{where} is not a permission; write a name like "items:read", without wildcards')
    if name in ADMIN_PERMISSIONS:
        raise ConfigError(f"{where} is a permission of Keyfob's own admin API; give yours another name")
    return _text(label, where)


def _key_type(name: str, raw: object, default: KeyType | None) -> KeyType:
    where = f"[key_types.{name}]"
    if _TYPE_NAME.fullmatch(name) is None:
        raise ConfigError(f"{where} is not a name for a key type; use 2 to 16 of a-z and 0-9, a letter first")
    table = _table(raw, where)
    _refuse_unknown(table, _TYPE_FIELDS, where)
    if name == ADMIN and not table.keys() <= {"label"}:
        raise ConfigError(f"{where} can change only its label; remove {', '.join(sorted(table.keys() - {'label'}))}")
    result = default or KeyType(name, name)
    if "label" in table:
        result = replace(result, label=_text(table["label"], f"{where} label"))
    if "per_team" in table:
        result = replace(result, per_team=_per_team(table["per_team"], f"{where} per_team"))
    if "permissions" in table:
        result = replace(result, permissions=_fixed(table["permissions"], f"{where} permissions"))
    return _with_policy(result, table, where)


def _with_policy(key_type: KeyType, table: Mapping[str, object], where: str) -> KeyType:
    """Lay what *table* demands of keys over *key_type*."""
    if "expiry" in table:
        key_type = replace(key_type, expiry_required=_is_required(table["expiry"], f"{where} expiry"))
    if "ip_allow" in table:
        key_type = replace(key_type, ip_allow_required=_is_required(table["ip_allow"], f"{where} ip_allow"))
    if "default_lifetime" in table:
        length = _lifetime(table["default_lifetime"], f"{where} default_lifetime")
        key_type = replace(key_type, default_lifetime=length)
    if "max_lifetime" in table:
        key_type = replace(key_type, max_lifetime=_lifetime(table["max_lifetime"], f"{where} max_lifetime"))
    if "when_owner_leaves" in table:
        key_type = replace(key_type, ends_with_owner=_ends_with_owner(table["when_owner_leaves"], where))
    default, most = key_type.default_lifetime, key_type.max_lifetime
    if default is not None and most is not None and default > most:
        raise ConfigError(f"{where} default_lifetime is longer than max_lifetime; shorten it")
    return key_type


def _is_required(value: object, where: str) -> bool:
    if value not in {"optional", "required"}:
        raise ConfigError(f'{where} must be "optional" or "required"')
    return value == "required"


def _ends_with_owner(value: object, where: str) -> bool:
    if value not in {"keep", "disable"}:
        raise ConfigError(f'{where} when_owner_leaves must be "keep" or "disable"')
    return value == "disable"


def _lifetime(value: object, where: str) -> timedelta:
    try:
        length = read_length(value)
    except ValueError as wrong:
        raise ConfigError(f"{where} {wrong}") from None
    if not timedelta() < length <= _LONGEST:
        raise ConfigError(f"{where} must be longer than 0s and at most {written_length(_LONGEST)}")
    return length


def _per_team(value: object, where: str) -> int | None:
    if value is None or value == "many":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_PER_TEAM:
        return value
    raise ConfigError(f'{where} must be a whole number from 1 to {_MOST_PER_TEAM:,}, or "many"')


def _fixed(value: object, where: str) -> tuple[str, ...] | None:
    if value is None or value == "chosen":
        return None
    names = _names(value, where)
    for name in names:
        if not is_permission(name):
            raise ConfigError(
                f'{where}: "{name}" is not a permission; write a name like "computers:enroll", without wildcards'
            )
        if name in ADMIN_PERMISSIONS:
            raise ConfigError(f'{where}: "{name}" belongs to admin keys; remove it')
    return tuple(sorted(set(names)))


def _plan(name: str, raw: object, types: Collection[str]) -> frozenset[str]:
    where = f"[plans.{name}]"
    if _PLAN_NAME.fullmatch(name) is None:
        raise ConfigError(f"{where} is not a name for a plan; use a-z, 0-9, hyphen and underscore")
    if isinstance(raw, Mapping):
        table = _table(raw, where)
        _refuse_unknown(table, _PLAN_FIELDS, where)
        if "key_types" not in table and not table:
            raise ConfigError(f'{where} needs key_types, the list of what it may hold, for example ["api"]')
        raw = table.get("key_types", tuple(DEFAULT_PLANS.get(name, DEFAULT_PLANS[DEFAULT_PLAN])))
    names = _names(raw, f"{where} key_types")
    for key_type in names:
        if key_type not in types:
            raise ConfigError(f'{where} key_types: there is no key type "{key_type}"{did_you_mean(key_type, types)}')
    return frozenset(names) - {ADMIN}


def _table(raw: object, where: str) -> Mapping[str, object]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where} must be a table")
    for name in raw:
        if not isinstance(name, str):
            raise ConfigError(f"{where} has an entry that is not named by a text: {name!r}")
    return raw


def _names(raw: object, where: str) -> tuple[str, ...]:
    if isinstance(raw, Sequence | set | frozenset) and not isinstance(raw, str | bytes):
        names = tuple(name for name in raw if isinstance(name, str))
        if len(names) == len(raw):
            return names
    raise ConfigError(f"{where} must be a list of texts")


def _text(value: object, where: str) -> str:
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value.strip()
    raise ConfigError(f'{where} must be a label for people, for example "Read items"')


def _refuse_unknown(table: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in known:
            raise ConfigError(f"{where} {name} is not a setting{did_you_mean(name, known)}")
