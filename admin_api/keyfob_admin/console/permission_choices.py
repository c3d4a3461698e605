"""What can be ticked on a form or looked at on the Permissions page: permissions in groups, with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyfob.policy.key_types import ADMIN
from keyfob.policy.permissions import ADMIN_PERMISSIONS, covers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from keyfob.policy.catalogue import Catalogue

EVERYTHING: Final = "*"
ADMIN_LABELS: Final[Mapping[str, str]] = {
    "keys:read": "See keys and how they are used",
    "keys:write": "Create, change, duplicate, disable and enable keys",
    "keys:delete": "Delete disabled keys",
    "keys:verify": "Ask whether a key is valid",
    "teams:read": "See teams",
    "teams:write": "Create and change teams, and act in all of them",
    "audit:read": "Read the activity",
    "limits:write": "Lower the limits of keys",
    "people:read": "See people and their roles",
    "people:write": "Invite, change and offboard people",
    "metrics:read": "Read the metrics",
}
_ADMIN_GROUP: Final = "Keyfob itself"
_OTHERS: Final = "Others"


@dataclass(frozen=True, slots=True)
class Choice:
    """One permission on a form. *had* is whether the key, or the one that is duplicated, holds it.

    *lacking* is whether the person who fills in the form does not hold it, and so cannot grant it.
    """

    name: str
    label: str
    ticked: bool
    had: bool
    lacking: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Permissions of one resource."""

    title: str
    choices: tuple[Choice, ...]

    @property
    def ticked(self) -> int:
        """How many of them are granted."""
        return sum(choice.ticked for choice in self.choices)


def groups(
    catalogue: Catalogue,
    key_type: str,
    ticked: Collection[str],
    had: Collection[str] = (),
    held: Collection[str] = (EVERYTHING,),
) -> list[Group]:
    """All that a key of *key_type* may hold, and what it holds beyond that, in groups of one resource each.

    *held* is what the person holds who is to choose.
    """
    names = dict.fromkeys((*_offered(catalogue, key_type), *ticked, *had))
    grouped: dict[str, list[Choice]] = {}
    for name in names:
        lacking = name not in ticked and name not in had and not covers(held, name)
        choice = Choice(name, label_of(catalogue, name), name in ticked, name in had, lacking)
        grouped.setdefault(_title(catalogue, name), []).append(choice)
    return [Group(title, tuple(choices)) for title, choices in grouped.items()]


def label_of(catalogue: Catalogue, name: str) -> str:
    """What a permission or wildcard means, as people read it."""
    if name == EVERYTHING:
        return "May do everything, in every team, now and in future"
    if name.endswith(":*"):
        return f"Everything under {name.removesuffix('*')}"
    return catalogue.permissions.get(name) or ADMIN_LABELS.get(name) or name


def presets(catalogue: Catalogue, key_type: str, held: Collection[str]) -> dict[str, tuple[str, ...]]:
    """What the buttons above the boxes tick: nothing, what only reads, and all that one may hand on.

    Everything that an admin key can do takes more than one press.
    """
    offered = [name for name in _offered(catalogue, key_type) if name != EVERYTHING and covers(held, name)]
    some = {"none": (), "read": tuple(name for name in offered if name.endswith(":read"))}
    return some if key_type == ADMIN else {**some, "all": tuple(offered)}


def _offered(catalogue: Catalogue, key_type: str) -> tuple[str, ...]:
    if key_type not in catalogue.key_types:
        return ()
    return (*catalogue.grantable(key_type), EVERYTHING) if key_type == ADMIN else catalogue.grantable(key_type)


def _title(catalogue: Catalogue, name: str) -> str:
    if name in ADMIN_PERMISSIONS:
        return _ADMIN_GROUP
    if name not in catalogue.permissions and name not in catalogue.fixed_permissions():
        return "Everything" if name == EVERYTHING else _OTHERS
    return name.partition(":")[0].replace("_", " ").replace("-", " ").capitalize()
