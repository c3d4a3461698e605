"""From the rules as somebody wrote them to the table that judges by them.

A rule's right side is a permission, a list of permissions that are all needed (an empty one: any valid key), or a
mapping of `FIELDS`. Whatever cannot be meant is a ConfigError at start, that names the rule and how to fix it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

from keyfob.errors import ConfigError
from keyfob.errors.suggestions import did_you_mean
from keyfob.policy.permissions import is_permission
from keyfob.rules.parser import Target, read_target, reject
from keyfob.rules.table import PARAMETER, Match, Rule, RuleTable

if TYPE_CHECKING:
    from keyfob.policy.limits import Limit

__all__ = ["FIELDS", "Match", "Rule", "RuleTable", "compile_rules", "permissions_named"]

FIELDS = ("public", "permission", "all_of", "any_of", "key_types", "team", "limit", "cost", "otherwise")
"""What a rule that is a mapping may say."""


_MOST_COST = 1_000_000


class _Demand(NamedTuple):
    """The right side of a rule, read."""

    public: bool = False
    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    key_types: tuple[str, ...] = ("api",)
    team: str | None = None
    otherwise_app: bool = False
    limits: tuple[str, ...] = ()
    cost: int = 1


def compile_rules(
    raw: Mapping[str, object],
    *,
    known: Collection[str] | None,
    key_types: Collection[str],
    limits: Mapping[str, Limit] | None = None,
) -> RuleTable:
    """Make the table of the rules in *raw*.

    Args:
        raw: the rules as written, in a program or in the configuration file.
        known: the permissions that a rule may name; None lets it name any.
        key_types: the types of key that there are.
        limits: the limits that there are, by name; None lets a rule name any.

    Raises:
        ConfigError: a rule cannot be read, names what there is not, or equals another.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError('rules must be a mapping from "METHOD /path" to what is needed')
    rules = [_compile(text, demand, known, key_types, limits) for text, demand in raw.items()]
    _refuse_equals(rules)
    return RuleTable(rules)


def permissions_named(*rule_sets: Mapping[str, object]) -> tuple[str, ...]:
    """Every permission that the rules in *rule_sets* name, in order, once each. Raises ConfigError."""
    demands = [_read_demand(text, demand) for raw in rule_sets for text, demand in raw.items()]
    return tuple(dict.fromkeys(name for demand in demands for name in (*demand.all_of, *demand.any_of)))


def limits_named(*rule_sets: Mapping[str, object]) -> tuple[str, ...]:
    """Every limit that the rules in *rule_sets* name, in order, once each. Raises ConfigError."""
    demands = [_read_demand(text, demand) for raw in rule_sets for text, demand in raw.items()]
    return tuple(dict.fromkeys(name for demand in demands for name in demand.limits))


def _compile(
    text: str,
    written: object,
    known: Collection[str] | None,
    key_types: Collection[str],
    limits: Mapping[str, Limit] | None,
) -> Rule:
    if not isinstance(text, str):
        reject(text, 'the left side must be text such as "GET /items"')
    target = read_target(text)
    demand = _read_demand(text, written)
    for name in (*demand.all_of, *demand.any_of):
        if known is not None and name not in known:
            reject(text, f"add {name} to [permissions], or fix it{did_you_mean(name, known)}")
    for name in demand.key_types:
        if name not in key_types:
            reject(text, f"there is no key type {name}{did_you_mean(name, key_types)}")
    if limits is not None:
        _check_limits(text, demand, limits)
    return Rule(
        text=text,
        methods=target.methods,
        template=target.template,
        slash=target.slash,
        public=demand.public,
        all_of=demand.all_of,
        any_of=demand.any_of,
        key_types=frozenset(demand.key_types),
        team_parameter=_team_parameter(text, demand.team, target),
        otherwise_app=demand.otherwise_app,
        limits=demand.limits,
        cost=demand.cost,
    )


def _read_demand(text: str, written: object) -> _Demand:
    if isinstance(written, str):
        return _Demand(all_of=(_permission(text, written),))
    if isinstance(written, list | tuple):
        return _Demand(all_of=_permissions(text, "the list", written))
    if not isinstance(written, Mapping):
        reject(text, "it must need a permission, a list of permissions, or a mapping such as { public = true }")
    for field in written:
        if field not in FIELDS:
            reject(text, f"{field} is not a field of a rule{did_you_mean(str(field), FIELDS)}")
    public = written.get("public", False)
    if not isinstance(public, bool):
        reject(text, "public must be true or false")
    needs = {field: value for field, value in written.items() if field != "public"}
    if public and needs:
        reject(text, f"a public rule can need nothing: take out public, or {', '.join(needs)}")
    if public:
        return _Demand(public=True, key_types=())
    if not needs:
        reject(text, "it says nothing: write [] to let any valid key in, or { public = true }")
    return _read_needs(text, needs)


def _read_needs(text: str, needs: Mapping[str, object]) -> _Demand:
    if "permission" in needs and "all_of" in needs:
        reject(text, "permission and all_of mean the same: write one of them")
    all_of: tuple[str, ...] = ()
    if "permission" in needs:
        all_of = (_permission(text, needs["permission"]),)
    elif "all_of" in needs:
        all_of = _permissions(text, "all_of", needs["all_of"])
    any_of = _permissions(text, "any_of", needs.get("any_of", ()))
    if "any_of" in needs and not any_of:
        reject(text, "any_of is empty, so that nothing could satisfy it: name a permission, or leave it out")
    key_types = _texts(text, "key_types", needs.get("key_types", ("api",)))
    if not key_types:
        reject(text, "key_types is empty, so that no key could pass: name a type, or leave it out")
    team = needs.get("team")
    if "team" in needs and not isinstance(team, str):
        reject(text, 'team must be text that names a parameter of the path, such as "{team}"')
    if needs.get("otherwise", "app") != "app":
        reject(text, 'otherwise must be "app": requests without a key of ours are the application\'s to judge')
    return _Demand(
        all_of=all_of,
        any_of=any_of,
        key_types=key_types,
        team=team if isinstance(team, str) else None,
        otherwise_app="otherwise" in needs,
        limits=_limits(text, needs.get("limit", ())),
        cost=_cost(text, needs.get("cost", 1)),
    )


def _limits(text: str, written: object) -> tuple[str, ...]:
    return (written,) if isinstance(written, str) else _texts(text, "limit", written)


def _cost(text: str, written: object) -> int:
    if not isinstance(written, int) or isinstance(written, bool) or not 1 <= written <= _MOST_COST:
        reject(text, f"cost must be a whole number from 1 to {_MOST_COST:,}")
    return written


def _check_limits(text: str, demand: _Demand, limits: Mapping[str, Limit]) -> None:
    for name in demand.limits:
        if name not in limits:
            reject(text, f"there is no [limits.{name}]{did_you_mean(name, limits)}")
        if any(rate.amount < demand.cost for rate in limits[name].rates):
            reject(text, f"cost is more than [limits.{name}] ever lets pass: lower it, or raise the rate")


def _texts(text: str, where: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        reject(text, f'{where} must be a list of texts, such as ["{values}"]')
    return tuple(dict.fromkeys(values))


def _permissions(text: str, where: str, values: object) -> tuple[str, ...]:
    return tuple(_permission(text, value) for value in _texts(text, where, values))


def _permission(text: str, value: object) -> str:
    if not isinstance(value, str):
        reject(text, "a permission must be text, such as items:read")
    if value.endswith("*"):
        reject(text, f"{value} is a wildcard: a key may hold one, a rule must name what it needs")
    if not is_permission(value):
        reject(text, f'"{value}" is not a permission: write it like items:read')
    return value


def _team_parameter(text: str, team: str | None, target: Target) -> str | None:
    if team is None:
        return None
    parameters = [segment.text for segment in target.template if segment.kind == PARAMETER]
    if team[:1] + team[-1:] != "{}" or team[1:-1] not in parameters:
        offered = ", ".join(f"{{{name}}}" for name in parameters) or "it has none"
        reject(text, f"team must be one parameter of the path ({offered}), not {team}")
    return team[1:-1]


def _refuse_equals(rules: Collection[Rule]) -> None:
    seen: dict[object, Rule] = {}
    for rule in rules:
        for method in rule.methods or ("",):
            other = seen.setdefault((rule.shape, method), rule)
            if other is not rule:
                raise ConfigError(f'rules "{other.text}" and "{rule.text}" match the same requests: keep one of them')
