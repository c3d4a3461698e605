"""Reads ``[[memberships]]``: which role a group of the identity provider has in a team."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError
from keyfob.errors.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_FIELDS = ("group", "team", "role")


@dataclass(frozen=True, slots=True)
class GroupRule:
    """The people of *group* have *role* in *team*."""

    group: str
    team: str
    role: str


def build_group_rules(raw: Sequence[object], roles: Collection[str]) -> tuple[GroupRule, ...]:
    """Read the entries, in the order of the file: the first one that fits counts.

    Raises:
        ConfigError: names the entry and how to fix it.
    """
    rules: list[GroupRule] = []
    for number, entry in enumerate(raw, 1):
        where = f"[[memberships]] entry {number}"
        rule = _rule(entry, where)
        if rule.role not in roles:
            raise ConfigError(f"{where} role: there is no role {rule.role}{did_you_mean(rule.role, roles)}")
        for before, other in enumerate(rules, 1):
            if (other.group, other.team) == (rule.group, rule.team):
                raise ConfigError(f"{where} has the group and the team of entry {before}, which counts; remove one")
        rules.append(rule)
    return tuple(rules)


def _rule(entry: object, where: str) -> GroupRule:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} must be a table with group, team and role")
    for field in entry:
        if field not in _FIELDS:
            raise ConfigError(f"{where} {field} is not a setting{did_you_mean(str(field), _FIELDS)}")
    return GroupRule(*(_text(entry.get(field), f"{where} {field}") for field in _FIELDS))


def _text(value: object, where: str) -> str:
    if isinstance(value, str) and value and value.isprintable():
        return value
    raise ConfigError(f"{where} must be a name" + (", and is missing" if value is None else ""))
