"""Many permissions on one form: a table of resources and actions, and the summary of what is ticked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyfob_admin.console import humanize
from keyfob_admin.console.permission_choices import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyfob_admin.console.permission_choices import Choice

FEW: Final = 20  # permissions that a list with their labels shows better than a table does
_MOST_COLUMNS: Final = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One resource. *cells* has a place for each action of the matrix; *others* are all that fit none."""

    resource: str
    cells: tuple[Choice | None, ...]
    others: tuple[Choice, ...]
    ticked: int
    total: int
    lacking: str  # what cannot be granted: ``groups:create, update``


@dataclass(frozen=True, slots=True)
class Matrix:
    """Resources by actions."""

    actions: tuple[str, ...]
    rows: tuple[Row, ...]
    others: bool


@dataclass(frozen=True, slots=True)
class Line:
    """Some actions of one resource. *prefix* is what stands before each of them in the name of a permission."""

    resource: str
    prefix: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What is ticked: how much of how much, how much of it can delete, and everything by name.

    Few permissions are a sentence of *names*, many are *lines*.
    """

    counted: str
    deleting: str
    names: str
    lines: tuple[Line, ...]


def matrix(groups: Sequence[Group]) -> Matrix | None:
    """Arrange *groups* as a table; None if they are few."""
    if _are_few(groups):
        return None
    groups = _by_resource(groups)
    counted = Counter(_action(choice) for group in groups for choice in group.choices)
    common = {action for action, count in counted.most_common(_MOST_COLUMNS) if count > 1}
    actions = tuple(action for action in counted if action in common)
    rows = tuple(_row(group, actions) for group in groups)
    return Matrix(actions, rows, any(row.others for row in rows))


def summary(groups: Sequence[Group]) -> Summary:
    """Sum up what is ticked in *groups*."""
    groups = groups if _are_few(groups) else _by_resource(groups)
    everything = [choice for group in groups for choice in group.choices]
    ticked = [choice for choice in everything if choice.ticked]
    resources = [group for group in groups if group.ticked]
    deleting = sum(_action(choice) == "delete" for choice in ticked)
    few = len(everything) <= FEW
    names = humanize.able_to([choice.label for choice in ticked]) if few or not ticked else ""
    counted = f"{len(ticked)} of {len(everything)} · {humanize.counted(len(resources), 'resource')}"
    return Summary(counted, f"{deleting} can delete" if deleting else "", names, () if few else lines(groups))


def lines(groups: Sequence[Group], *, ticked: bool = True) -> tuple[Line, ...]:
    """Write what is ticked, or what is not, with a line for each resource; none where they are few."""
    if _are_few(groups):
        return ()
    found = []
    for group in _by_resource(groups):
        some = [choice for choice in group.choices if choice.ticked is ticked]
        if some:
            prefix = some[0].name.removesuffix(_action(some[0]))
            found.append(Line(group.title, prefix, tuple(map(_action, some))))
    return tuple(found)


def _are_few(groups: Sequence[Group]) -> bool:
    return sum(len(group.choices) for group in groups) <= FEW


def _by_resource(groups: Sequence[Group]) -> list[Group]:
    """Take groups of several resources apart, so that no action stands without what it is about: ``Keyfob: keys``."""
    found = []
    for group in groups:
        parts: dict[str, list[Choice]] = {}
        for choice in group.choices:
            parts.setdefault(choice.name.partition(":")[0], []).append(choice)
        several = len(parts) > 1
        found += [
            Group(f"{group.title.split()[0]}: {name}" if several else group.title, (*part,))
            for name, part in parts.items()
        ]
    return found


def _row(group: Group, actions: Sequence[str]) -> Row:
    by_action = {_action(choice): choice for choice in group.choices}
    cells = tuple(by_action.get(action) for action in actions)
    others = tuple(choice for choice in group.choices if choice not in cells)
    lacking = [choice for choice in group.choices if choice.lacking]
    resource = lacking[0].name.partition(":")[0] if lacking else ""
    missing = f"{resource}:{', '.join(map(_action, lacking))}" if lacking else ""
    return Row(group.title, cells, others, group.ticked, len(group.choices), missing)


def _action(choice: Choice) -> str:
    """``delete`` of ``items:delete``, or the whole where it is not written like this."""
    return choice.name.partition(":")[2] or choice.name
