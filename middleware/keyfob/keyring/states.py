"""The states of the signing keys in the database, and the seal that authenticates them.

The rows of ``signing_keys`` decide which keys are refused and which pass without a tag. So one seal covers the whole
table: HMAC-SHA-256 (RFC 2104) under a key of the keyring, which is never in the database. Without the keyring nobody
can change, add or remove a state without breaking the seal.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey


class SigningKeyState(StrEnum):
    """The state of a signing key."""

    ACTIVE = "active"
    RETIRED = "retired"  # keys that carry it are refused
    LOST = "lost"  # keys that carry it skip the tag and pass by Argon2id alone


@dataclass(frozen=True, slots=True)
class SigningKeyRecord:
    """The database's record of one signing key. The newest active one signs new keys.

    *seal* covers all records of the table together; *sealed_by* is the character of the signing key that made it.
    """

    char: str
    fingerprint: str
    state: SigningKeyState
    activated_at: datetime
    sealed_by: str = field(default="", compare=False)
    seal: str = field(default="", compare=False, repr=False)  # hexadecimal


def sealed(records: Iterable[SigningKeyRecord], entry: SigningKey) -> tuple[SigningKeyRecord, ...]:
    """Seal *records*, which must be the whole table, with *entry*."""
    whole = tuple(records)
    seal = _seal(whole, entry)
    return tuple(replace(record, sealed_by=entry.char, seal=seal) for record in whole)


def is_sealed(records: Iterable[SigningKeyRecord], entries: Mapping[str, SigningKey]) -> bool:
    """Whether one of *entries* sealed exactly these *records*. An empty table is never sealed."""
    whole = tuple(records)
    seals = {(record.sealed_by, record.seal) for record in whole}
    if len(seals) != 1:
        return False
    ((char, seal),) = seals
    entry = entries.get(char)
    return entry is not None and hmac.compare_digest(_seal(whole, entry).encode(), seal.encode())


def newest_active(records: Iterable[SigningKeyRecord], entries: Mapping[str, SigningKey]) -> SigningKey | None:
    """Return the entry that signs new keys: the newest active one in *entries*."""
    active = [r for r in records if r.state is SigningKeyState.ACTIVE and r.char in entries]
    return entries[max(active, key=lambda record: record.activated_at).char] if active else None


def _seal(records: tuple[SigningKeyRecord, ...], entry: SigningKey) -> str:
    lines = sorted(
        "\0".join((r.char, r.fingerprint, r.state, r.activated_at.astimezone(UTC).isoformat(timespec="microseconds")))
        for r in records
    )
    return hmac.digest(entry.states_key, "\1".join([entry.char, *lines]).encode(), "sha256").hex()
