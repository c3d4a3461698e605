"""What a key holds, and the one question about it: does it cover what is needed?

A permission is ``resource:action`` in lower case, with as many parts as one likes (``items:parts:read``).
A grant is a permission, ``prefix:*`` for everything under ``prefix:``, or ``*`` for everything.
Parts are compared whole: ``items:*`` covers ``items:read``, never ``itemsx:read``. Only a wildcard covers a wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

ADMIN_PERMISSIONS = (
    "keys:read",
    "keys:write",
    "keys:delete",
    "keys:verify",
    "teams:read",
    "teams:write",
    "audit:read",
)

PERMISSION = re.compile(r"[a-z][a-z0-9_.-]*(?::[a-z0-9_.-]+)+\Z")
_WILDCARD = re.compile(r"[a-z][a-z0-9_.-]*(?::[a-z0-9_.-]+)*:\*\Z")


def is_permission(text: str) -> bool:
    """Whether *text* names one permission: no wildcard, at least two parts."""
    return PERMISSION.match(text) is not None


def is_grant(text: str) -> bool:
    """Whether a key may hold *text*: a permission, ``prefix:*`` or ``*``."""
    return text == "*" or PERMISSION.match(text) is not None or _WILDCARD.match(text) is not None


def covers(held: Collection[str], needed: str) -> bool:
    """Whether *held* has *needed*, by itself or through a wildcard."""
    return Held(held).covers(needed)


def missing(held: Collection[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Those of *wanted* that *held* does not cover, in their order, without repeats."""
    prepared = Held(held)
    return tuple(grant for grant in dict.fromkeys(wanted) if not prepared.covers(grant))


@dataclass(frozen=True, slots=True, init=False)
class Held:
    """A set of grants, prepared once so that `covers` is quick for every request after."""

    exact: frozenset[str]
    prefixes: tuple[str, ...]  # of the wildcards, less the star: "items:", and "" for "*"

    def __init__(self, grants: Collection[str]) -> None:
        """Prepare *grants*. A bare string is a TypeError: it would be taken letter by letter."""
        if isinstance(grants, str):
            raise TypeError("grants are a collection of strings, not one string")
        object.__setattr__(self, "exact", frozenset(grants))
        wildcards = (grant for grant in grants if grant == "*" or grant.endswith(":*"))
        object.__setattr__(self, "prefixes", tuple(sorted({grant[:-1] for grant in wildcards})))

    def covers(self, needed: str) -> bool:
        """Whether these grants have *needed*, by itself or through a wildcard."""
        return needed in self.exact or needed.startswith(self.prefixes)


class Scopes(Sequence[str]):
    """Grants as Starlette's ``auth.scopes``: they list themselves as they are, and ``in`` asks what they cover.

    So ``@requires("items:read")`` lets a key pass that holds ``items:*``.
    """

    __slots__ = ("_grants", "_held")

    def __init__(self, grants: Collection[str]) -> None:
        """Show *grants*, sorted."""
        self._held = Held(grants)
        self._grants = tuple(sorted(grants))

    def __contains__(self, needed: object) -> bool:
        """Whether the grants cover *needed*."""
        return isinstance(needed, str) and self._held.covers(needed)

    def __iter__(self) -> Iterator[str]:
        """Go through the grants as they were given."""
        return iter(self._grants)

    def __len__(self) -> int:
        """How many grants there are."""
        return len(self._grants)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Read one grant, or some."""
        return self._grants[index]

    def __repr__(self) -> str:
        """Show the grants."""
        return f"Scopes({list(self._grants)!r})"
