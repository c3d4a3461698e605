"""The first three steps of a new installation, which tick themselves: make a key, call the API, see it here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.policy.key_types import ADMIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from keyfob.store.contract.key_store import KeyView

_MOST_ADMINS: Final = 5  # a team with more keys than these and one is past its first steps
_SEEN: Final = timedelta(days=1)  # from then on a key that works is no news


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What is done of the steps."""

    made: bool
    used: bool


def first_steps(views: Sequence[KeyView], total: int | None, now: datetime) -> FirstSteps | None:
    """Judge by the whole list; None once there are two keys for callers, or the only one works and is a day old."""
    if total is None or total > _MOST_ADMINS + 1:
        return None
    keys = [view for view in views if view.record.key_type != ADMIN]
    if not views or len(keys) > 1:
        return None
    used = any(view.last_used is not None for view in keys)
    if used and now - keys[0].record.created_at >= _SEEN:
        return None
    return FirstSteps(made=bool(keys), used=used)
