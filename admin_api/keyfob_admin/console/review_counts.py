"""How many keys of a team should be reviewed, as it was counted last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Review:
    """Keys to review: how the address names them, what they are, and how many."""

    name: str
    words: str
    count: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted, when, and after how many changes of keys and of people."""

    reviews: tuple[Review, ...]
    changes: tuple[int, int]
    at: datetime
