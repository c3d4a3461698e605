"""What the configuration demands of keys of one type (`keyfob.policy.key_types`). Type ``admin`` has no such policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.errors import PolicyViolation
from keyfob.policy.lifetimes import written_length

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from keyfob.keys.record import KeyRecord
    from keyfob.policy.key_types import KeyType


def default_expiry(key_type: KeyType, at: datetime) -> datetime | None:
    """When a key that is made at *at* ends if nobody says when."""
    return None if key_type.default_lifetime is None else at + key_type.default_lifetime


def check_policy(
    key_type: KeyType | None,
    *,
    expires_at: datetime | None,
    ip_allow: Collection[str],
    created_at: datetime,
    touched: Collection[str] = ("expires_at", "ip_allow"),
) -> None:
    """Refuse what *key_type* does not allow, in those members that are *touched*.

    Raises:
        PolicyViolation: names each member that breaks it.
    """
    if key_type is None:
        return
    found = violations(key_type, expires_at=expires_at, ip_allow=ip_allow, created_at=created_at)
    broken = [(f"/{member}", why) for member, why in found if member in touched]
    if broken:
        raise PolicyViolation(*broken)


def violations(
    key_type: KeyType, *, expires_at: datetime | None, ip_allow: Collection[str], created_at: datetime
) -> list[tuple[str, str]]:
    """List the members of a key that break what *key_type* demands, each with what it should be."""
    found: list[tuple[str, str]] = []
    most = key_type.max_lifetime
    if expires_at is None:
        is_too_long = key_type.expiry_required or most is not None
    else:
        is_too_long = most is not None and expires_at - created_at > most
    if is_too_long:
        found.append(("expires_at", f"A {key_type.label} must expire{_within(key_type)}"))
    if key_type.ip_allow_required and not ip_allow:
        found.append(("ip_allow", f"A {key_type.label} must name the addresses that it may be used from"))
    return found


def violations_of(record: KeyRecord, key_type: KeyType) -> list[str]:
    """What an existing key breaks, for people."""
    found = violations(key_type, expires_at=record.expires_at, ip_allow=record.ip_allow, created_at=record.created_at)
    return [why for _, why in found]


def _within(key_type: KeyType) -> str:
    most = key_type.max_lifetime
    return "" if most is None else f" within {written_length(most)} of its creation"
