"""The permissions that can be granted, the types of key, the types that each plan includes, and limits.

Three separate lists of permissions:

- the *catalogue*: people choose from it when they create a key;
- *fixed* permissions: keys of one type always hold them, and no other key can;
- *admin* permissions: Keyfob's own admin API requires them; only keys of type ``admin`` may hold them.

A rule may name any of them. A permission that is both in the catalogue and fixed by a key type stays fixed: rules can
name it, but nobody can choose it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from keyfob.policy.catalogue_config import read_key_types, read_labels, read_plans
from keyfob.policy.key_types import ADMIN, DEFAULT_KEY_TYPES, DEFAULT_PLAN, DEFAULT_PLANS, KeyType
from keyfob.policy.limits import Limit, PlanLimits, read_limits, read_plan_limits
from keyfob.policy.permissions import ADMIN_PERMISSIONS, Held

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

__all__ = ["ADMIN", "DEFAULT_KEY_TYPES", "DEFAULT_PLAN", "DEFAULT_PLANS", "Catalogue", "KeyType", "build_catalogue"]

_EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Permissions with labels, key types by name, the types that each plan includes, and limits by name."""

    permissions: Mapping[str, str]
    key_types: Mapping[str, KeyType]
    plans: Mapping[str, frozenset[str]]
    limits: Mapping[str, Limit]
    plan_limits: Mapping[str, PlanLimits]
    cut_foreign: Callable[[str], str] = str  # takes other products' keys, which go on working, out of a name

    def suspends(self, plan: str, key_type: str) -> bool:
        """Whether keys of *key_type* are refused under *plan*: always for an unknown plan, never for admin keys."""
        return key_type != ADMIN and key_type not in self.plans.get(plan, ())

    def allows(self, plan: str, key_type: str) -> bool:
        """Whether a team with *plan* may create keys of *key_type*."""
        return key_type in self.key_types and not self.suspends(plan, key_type)

    def suspended_types(self) -> dict[str, tuple[str, ...]]:
        """The key types that each plan lacks."""
        return {plan: tuple(name for name in self.key_types if self.suspends(plan, name)) for plan in self.plans}

    def grantable(self, key_type: str) -> tuple[str, ...]:
        """Return the permissions, without wildcards, that a key of *key_type* may hold. Raises KeyError."""
        fixed = self.key_types[key_type].permissions
        if fixed is not None:
            return fixed
        return (*ADMIN_PERMISSIONS, *self.permissions) if key_type == ADMIN else tuple(self.permissions)

    def check_grants(self, key_type: str, permissions: Collection[str]) -> list[str]:
        """List those of *permissions* that a key of *key_type* cannot hold, in order. Raises KeyError."""
        known = self.grantable(key_type)
        if self.key_types[key_type].is_fixed:
            return [grant for grant in permissions if grant not in known]
        return [grant for grant in permissions if not _is_on_offer(grant, known)]

    def limits_of(self, plan: str, key_type: str) -> PlanLimits | None:
        """The limits that *plan* sets for keys of *key_type*, or None; admin keys have none."""
        found = None if key_type == ADMIN else self.plan_limits.get(plan)
        return found if found is not None and any(found) else None

    def fixed_permissions(self) -> tuple[str, ...]:
        """Return every permission that a key type fixes."""
        return tuple(name for key_type in self.key_types.values() for name in key_type.permissions or ())

    def known_to_rules(self) -> frozenset[str]:
        """Return every permission that a rule may name."""
        return frozenset((*self.permissions, *self.fixed_permissions(), *ADMIN_PERMISSIONS))


def _is_on_offer(grant: str, known: tuple[str, ...]) -> bool:
    """Whether *grant* is known, or is a wildcard that covers something known. ``*`` is always grantable."""
    if grant == _EVERYTHING or grant in known:
        return True
    held = Held((grant,))
    return grant.endswith(":*") and any(held.covers(name) for name in known)


def build_catalogue(
    *,
    permissions: object = None,
    key_types: object = None,
    plans: object = None,
    limits: object = None,
    rules_named: Iterable[str] = (),
) -> Catalogue:
    """Merge the configuration over the defaults.

    Args:
        permissions: name to label, or a list of names; None takes *rules_named* less fixed and admin permissions.
        key_types: name to a table of ``label``, ``per_team`` (a number or "many"), ``permissions`` (a list or
            "chosen"), and what keys must be: ``expiry``, ``default_lifetime``, ``max_lifetime``, ``ip_allow``.
        plans: name to a table with the lists ``key_types``, ``limits`` and ``team_limits`` and the tables ``quota`` and
            ``team_quota``, or to the first of them.
        limits: name to a table with ``rate``, a text or a list of texts.
        rules_named: every permission that the rules name.

    Raises:
        ConfigError: names the entry and how to fix it.
    """
    types = {**DEFAULT_KEY_TYPES, **read_key_types(key_types)}
    all_limits = read_limits(limits)
    all_plans = {**DEFAULT_PLANS, **read_plans(plans, types)}
    fixed = {permission for key_type in types.values() for permission in key_type.permissions or ()}
    if permissions is None:
        labels = {name: name for name in rules_named if name not in ADMIN_PERMISSIONS}
    else:
        labels = read_labels(permissions)
    offered = {name: label for name, label in labels.items() if name not in fixed}
    return Catalogue(
        MappingProxyType(offered),
        MappingProxyType(types),
        MappingProxyType(all_plans),
        MappingProxyType(all_limits),
        MappingProxyType(read_plan_limits(plans, all_limits)),
    )
