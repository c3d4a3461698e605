"""What an identity provider, or a proxy, says about somebody who signs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyfob.people.record import Source


@dataclass(frozen=True, slots=True)
class Claims:
    """Somebody whom *source* has signed in. *known_as* is what it knows them by, and unique there.

    *email* is None unless the source has verified it: an unverified address could be anybody's.
    """

    source: Source
    known_as: str
    email: str | None
    name: str
    groups: frozenset[str] | None  # None: the source says nothing about groups
