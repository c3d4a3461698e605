"""Which of two representations a caller prefers (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from typing import Final

from keyfob_admin.wire.media_types import JSON

_OTHERWISE: Final = (JSON, "application/*", "*/*")


def prefers(media_type: str, accept: str) -> bool:
    """Whether *accept* names *media_type* itself, and nothing that JSON fits with more weight."""
    weights = dict(_weight(part) for part in accept.split(",") if part.strip())
    wanted = weights.get(media_type, 0.0)
    otherwise = next((weights[kind] for kind in _OTHERWISE if kind in weights), 0.0)
    return wanted > 0 and wanted >= otherwise


def _weight(part: str) -> tuple[str, float]:
    """One media range and its quality: 1 by default, 0 where it is not a number."""
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    try:
        return kind, float(quality)
    except ValueError:
        return kind, 0.0
