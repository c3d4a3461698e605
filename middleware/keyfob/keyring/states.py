"""What the database says of the keyring's signing keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class SigningKeyState(StrEnum):
    """What the database says of a key character."""

    ACTIVE = "active"
    RETIRED = "retired"  # keys that carry it are refused
    LOST = "lost"  # keys that carry it skip the tag and pass by Argon2id alone


@dataclass(frozen=True, slots=True)
class SigningKeyRecord:
    """One character of the keyring as the database knows it. The newest active one issues."""

    char: str
    fingerprint: str
    state: SigningKeyState
    activated_at: datetime
