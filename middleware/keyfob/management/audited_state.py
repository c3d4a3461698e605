"""What every audit event about a key or team says of its state afterwards, so that the log can be replayed.

Only what decides whether a request passes is in here. A name, a description or a time of last use decides nothing.
"""

from __future__ import annotations

from datetime import UTC
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keyfob.keys.record import KeyRecord, Team

AFTER = "after"  # the member of an event's detail

GONE: Mapping[str, object] = MappingProxyType({"deleted": True})
"""The state of a deleted key. Nothing else of it decides anything."""


def state_of_key(record: KeyRecord) -> dict[str, object]:
    """Describe *record* as far as a request is judged by it."""
    if record.is_deleted:
        return dict(GONE)
    return {
        "team": record.team,
        "type": record.key_type,
        "permissions": sorted(record.permissions),
        "ip_allow": list(record.ip_allow),
        "expires_at": None if record.expires_at is None else record.expires_at.astimezone(UTC).isoformat(),
        "disabled": record.is_disabled,
        "signing_key": record.key_char,
    }


def state_of_team(team: Team) -> dict[str, object]:
    """Describe *team* as far as a request is judged by it."""
    return {"plan": team.plan}


def differences(written: Mapping[str, object] | None, found: Mapping[str, object]) -> Iterator[str]:
    """Say in which members the state *found* differs from the state *written* in the log; None: it is not in there."""
    if written is None:
        yield "it is not in the audit log"
        return
    for name in sorted(written.keys() | found.keys()):
        if written.get(name) != found.get(name):
            yield f"{name} is {found.get(name)!r}, but {written.get(name)!r} in the audit log"
