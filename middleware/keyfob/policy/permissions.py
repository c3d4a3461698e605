"""Permissions, and whether the ones that a key holds cover a needed one.

A permission is ``resource:action`` in lower case, with any number of parts (``items:parts:read``).
A grant is a permission, ``prefix:*`` for everything under ``prefix:``, or ``*`` for everything.
Parts are compared whole: ``items:*`` covers ``items:read``, never ``itemsx:read``. Only a wildcard covers a wildcard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

ADMIN_PERMISSIONS = (
    "keys:read",
    "keys:write",
    "keys:delete",
    "keys:verify",
    "teams:read",
    "teams:write",
    "audit:read",
    "people:read",
    "people:write",
    "limits:write",
    "metrics:read",
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
    """Whether *held* includes *needed*, directly or through a wildcard."""
    return Held(held).covers(needed)


def missing(held: Collection[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """The permissions in *wanted* that *held* does not cover, in order, without repeats."""
    prepared = Held(held)
    return tuple(grant for grant in dict.fromkeys(wanted) if not prepared.covers(grant))


@dataclass(frozen=True, slots=True, init=False)
class Held:
    """A set of grants, prepared once so that `covers` is fast on every request."""

    exact: frozenset[str]
    prefixes: tuple[str, ...]  # of the wildcards, without the star: "items:", and "" for "*"

    def __init__(self, grants: Collection[str]) -> None:
        """Prepare *grants*. A bare string raises TypeError, because it would be read letter by letter."""
        if isinstance(grants, str):
            raise TypeError("grants are a collection of strings, not one string")
        object.__setattr__(self, "exact", frozenset(grants))
        wildcards = (grant for grant in grants if grant == "*" or grant.endswith(":*"))
        object.__setattr__(self, "prefixes", tuple(sorted({grant[:-1] for grant in wildcards})))

    def covers(self, needed: str) -> bool:
        """Whether these grants include *needed*, directly or through a wildcard."""
        return needed in self.exact or needed.startswith(self.prefixes)
