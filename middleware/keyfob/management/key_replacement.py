"""Replacing a key by another one: which keys can be, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.errors import AlreadyRotated, Invalid, KeyNotActive
from keyfob.keys.record import State
from keyfob.policy.lifetimes import HOW, read_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.policy.catalogue import Catalogue

DEFAULT_OVERLAP = "24h"
LONGEST_OVERLAP = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Replacement:
    """How long the replaced key goes on working: *overlap*, or until somebody ends it where that is None."""

    overlap: timedelta | None
    precondition: Callable[[int], None] | None = None

    def check_precondition(self, revision: int) -> None:
        """Raise PreconditionFailed unless a key at *revision* may be replaced."""
        if self.precondition is not None:
            self.precondition(revision)


def read_overlap(text: object, *, pointer: str = "/overlap") -> timedelta | None:
    """Read an overlap: ``"0s"`` to ``"90d"``, or None for no end. Raises Invalid."""
    if text is None:
        return None
    try:
        length = read_length(text)
    except ValueError:
        raise Invalid((pointer, f"Overlap must be {HOW}, or null for no end")) from None
    if length > LONGEST_OVERLAP:
        raise Invalid((pointer, "Overlap can be at most 90d"))
    return length


def check_replaceable(record: KeyRecord, catalogue: Catalogue, at: datetime) -> None:
    """Refuse to replace a key that was replaced before, or that is not active.

    Raises:
        AlreadyRotated: names the key that took its place.
        KeyNotActive: it is disabled, suspended or expired.
    """
    if record.replaced_by is not None:
        raise AlreadyRotated(record.replaced_by)
    state = record.state(at, suspended=catalogue.suspends(record.plan, record.key_type))
    if state is not State.ACTIVE:
        raise KeyNotActive(f"only an active key can be rotated; this one is {state}")


def replaced_record(record: KeyRecord, successor: str, replacement: Replacement, at: datetime) -> KeyRecord:
    """Make *record* what it is once *successor* took its place at *at*. It never ends later than it would have."""
    ends = record.expires_at
    if replacement.overlap is not None:
        planned = at + replacement.overlap
        ends = planned if ends is None else min(planned, ends)
    return replace(record, replaced_by=successor, replaced_at=at, expires_at=ends)


def rivals_of(live: Iterable[KeyRecord], replacing: str | None, at: datetime) -> list[KeyRecord]:
    """Those of a one-per-team type's *live* keys that leave no room for another.

    A replaced key may stand beside the live one. So a new key has no rival in it, but a key that takes the place of
    *replacing* would make a second one, unless the first has ended.
    """
    if replacing is None:
        return [key for key in live if not key.is_replaced]
    return [key for key in live if key.id != replacing and not (key.is_replaced and key.is_expired(at))]
