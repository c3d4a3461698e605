"""What was done under an Idempotency-Key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """The result under an Idempotency-Key: a digest of the request's body, and the key that it created."""

    body_digest: bytes
    key_id: str
    at: datetime
