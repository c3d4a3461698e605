"""What a key's record says to the application and its callers: metadata, and the headers of a replaced key."""

from __future__ import annotations

from email.utils import format_datetime
from typing import TYPE_CHECKING

from keyfob.keys.record import NO_METADATA, Metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.gate.verdict import Header
    from keyfob.keys.record import KeyRecord, MetadataValue


def metadata_of(record: KeyRecord) -> Mapping[str, MetadataValue]:
    """The key's metadata laid over its team's, for reading only."""
    if not record.metadata and not record.team_metadata:
        return NO_METADATA
    return Metadata({**record.team_metadata, **record.metadata})


def announcement_of(record: KeyRecord) -> tuple[Header, ...] | None:
    """``Deprecation`` (RFC 9745) and, where the key has an end, ``Sunset`` (RFC 8594); None for others."""
    if record.replaced_at is None:
        return None
    deprecation = (b"deprecation", b"@%d" % int(record.replaced_at.timestamp()))
    if record.expires_at is None:
        return (deprecation,)
    return deprecation, (b"sunset", format_datetime(record.expires_at, usegmt=True).encode())
