"""What the database says of the keyring's signing keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class RingState(StrEnum):
    """What the database says of a ring character."""

    ACTIVE = "active"
    RETIRED = "retired"  # keys that carry it are refused
    LOST = "lost"  # keys that carry it skip the tag and pass by Argon2id alone


@dataclass(frozen=True, slots=True)
class RingMark:
    """One character of the ring as the database knows it. The newest active one mints."""

    char: str
    fingerprint: str
    state: RingState
    activated_at: datetime
