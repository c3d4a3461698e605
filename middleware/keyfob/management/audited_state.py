"""What every audit event about a key or team says of its state afterwards, so that the log can be replayed.

Only what decides whether a request passes, or who may act, is in here. A name, a description or a time of last use
decides nothing.
"""

from __future__ import annotations

from datetime import UTC
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from keyfob.keys.quota import ExtraQuota, Quota
    from keyfob.keys.record import KeyRecord, RaisedLimits, Team
    from keyfob.people.record import Person

AFTER = "after"  # the member of an event's detail

GONE: Mapping[str, object] = MappingProxyType({"deleted": True})
"""The state of a deleted key or team. Nothing else of it decides anything."""


def state_of_key(record: KeyRecord) -> dict[str, object]:
    """Describe *record* as far as a request is judged by it."""
    if record.is_deleted:
        return dict(GONE)
    state: dict[str, object] = {
        "team": record.team,
        "type": record.key_type,
        "permissions": sorted(record.permissions),
        "ip_allow": list(record.ip_allow),
        "expires_at": _written(record.expires_at),
        "disabled": record.is_disabled,
        "signing_key": record.key_char,
    }
    if record.is_pending:
        state["pending"] = True
    if record.limits:
        state["limits"] = list(record.limits)
    if record.limits_raised is not None:
        state["limits_raised"] = told_raise(record.limits_raised)
    if record.quota is not None:
        state["quota"] = told_quota(record.quota)
    if record.quota_extra is not None:
        state["quota_extra"] = told_extra(record.quota_extra)
    if record.limits_id is not None:
        state["counted_as"] = record.limits_id
    if record.replaced_by is not None:
        state |= {"replaced_by": record.replaced_by, "replaced_at": _written(record.replaced_at)}
    if record.owner_id is not None:
        state["owner"] = record.owner_id
    return state | _attributes(record)


def state_of_team(team: Team) -> dict[str, object]:
    """Describe *team* as far as a request is judged by it."""
    return dict(GONE) if team.is_deleted else {"plan": team.plan} | _attributes(team)


def state_of_person(person: Person) -> dict[str, object]:
    """Describe *person* as far as it decides who signs in and what that person may do."""
    return {
        "source": str(person.source),
        "subject": person.subject,
        "email": person.email,
        "name": person.name,
        "state": str(person.state),
        "memberships": {one.team: [one.role, str(one.by)] for one in person.memberships},
    }


def _attributes(of: KeyRecord | Team) -> dict[str, object]:
    """What the application is told of a key or team and may decide by; only what is there."""
    told: dict[str, object] = {"metadata": dict(of.metadata)} if of.metadata else {}
    return told if of.external_id is None else {**told, "external_id": of.external_id}


def told_raise(raised: RaisedLimits | None) -> dict[str, object] | None:
    """Describe how far limits are raised."""
    return None if raised is None else {"until": _written(raised.until), "factor": raised.factor}


def told_quota(quota: Quota | None) -> dict[str, object] | None:
    """Describe a key's own quota."""
    return None if quota is None else {"amount": quota.amount, "every": quota.every.value}


def told_extra(extra: ExtraQuota | None) -> dict[str, object] | None:
    """Describe what was added to a quota."""
    return None if extra is None else {"amount": extra.amount, "until": _written(extra.until)}


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def differences(written: Mapping[str, object] | None, found: Mapping[str, object]) -> Iterator[str]:
    """Say in which members the state *found* differs from the state *written* in the log; None: it is not in there."""
    if written is None:
        yield "it is not in the audit log"
        return
    for name in sorted(written.keys() | found.keys()):
        if written.get(name) != found.get(name):
            yield f"{name} is {found.get(name)!r}, but {written.get(name)!r} in the audit log"
