"""Reads ``[roles.*]`` over the defaults. An entry with the name of a default changes only the fields that it has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError
from keyfob.errors.suggestions import did_you_mean
from keyfob.policy.catalogue import ADMIN
from keyfob.policy.roles import DEFAULT_ROLES, OWNER, Role

if TYPE_CHECKING:
    from keyfob.policy.catalogue import Catalogue

_ROLE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_FIELDS = ("label", "permissions", "grant_all", "own_keys_only")


def build_roles(raw: object, catalogue: Catalogue) -> Mapping[str, Role]:
    """Read the roles, each merged over the default of that name.

    Raises:
        ConfigError: names the entry and how to fix it.
    """
    if raw is None:
        return DEFAULT_ROLES
    if not isinstance(raw, Mapping):
        raise ConfigError("[roles] must be a table")
    own = {str(name): _role(str(name), table, catalogue) for name, table in raw.items()}
    return MappingProxyType({**DEFAULT_ROLES, **own})


def _role(name: str, table: object, catalogue: Catalogue) -> Role:
    where = f"[roles.{name}]"
    table = _checked(name, table, where)
    role = DEFAULT_ROLES.get(name, Role(name, name))
    if "label" in table:
        role = replace(role, label=_label(table["label"], f"{where} label"))
    if "permissions" in table:
        role = replace(role, permissions=_permissions(table["permissions"], f"{where} permissions", catalogue))
    if "grant_all" in table:
        role = replace(role, grant_all=_switch(table["grant_all"], f"{where} grant_all"))
    if "own_keys_only" in table:
        role = replace(role, own_keys_only=_switch(table["own_keys_only"], f"{where} own_keys_only"))
    if role.own_keys_only and role.acts_everywhere:
        raise ConfigError(f"{where} has own_keys_only and teams:write, which acts in every team; choose one")
    return role


def _checked(name: str, table: object, where: str) -> Mapping[str, object]:
    if _ROLE_NAME.fullmatch(name) is None:
        raise ConfigError(f"{where} is not a name for a role; use a-z, 0-9, hyphen and underscore, a letter first")
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table")
    for field in table:
        if field not in _FIELDS:
            raise ConfigError(f"{where} {field} is not a setting{did_you_mean(str(field), _FIELDS)}")
    if name == OWNER and not table.keys() <= {"label"}:
        raise ConfigError(f"{where} can change only its label: an owner may do everything; name another role")
    return table


def _label(value: object, where: str) -> str:
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value.strip()
    raise ConfigError(f'{where} must be a label for people, for example "Team admin"')


def _switch(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    raise ConfigError(f"{where} must be true or false")


def _permissions(value: object, where: str, catalogue: Catalogue) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise ConfigError(f'{where} must be a list, for example ["keys:read"]')
    names = tuple(sorted({name if isinstance(name, str) else "" for name in value}))
    known = catalogue.grantable(ADMIN)
    for name in catalogue.check_grants(ADMIN, names):
        raise ConfigError(f'{where}: there is no permission "{name}"{did_you_mean(name, known)}')
    return names
