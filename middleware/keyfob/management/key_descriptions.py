"""What the audit log says of a key: what a new one is, and what a change changed. Nothing here needs a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.management.audited_state import AFTER, state_of_key, told_extra, told_quota, told_raise
from keyfob.store.contract.key_store import TEAM_OWNER

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keys.record import KeyRecord, Team


def difference(before: KeyRecord, after: KeyRecord) -> dict[str, object]:
    """What changed between the two, for the audit log. A description is only said to have changed: it may be long."""
    changes: dict[str, object] = {}
    if before.name != after.name:
        changes["name"] = {"from": before.name, "to": after.name}
    if before.description != after.description:
        changes["description"] = "changed"
    if before.permissions != after.permissions:
        changes["permissions"] = {
            "added": sorted(set(after.permissions) - set(before.permissions)),
            "removed": sorted(set(before.permissions) - set(after.permissions)),
        }
    if before.expires_at != after.expires_at:
        changes["expires_at"] = {"from": written(before.expires_at), "to": written(after.expires_at)}
    changes |= differing_attributes(before, after)
    if before.owner_id != after.owner_id:
        changes["owner"] = {"from": before.owner_id or TEAM_OWNER, "to": after.owner_id or TEAM_OWNER}
    changes |= _differing_limits(before, after)
    if before.ip_allow != after.ip_allow:
        changes["ip_allow"] = {"from": list(before.ip_allow), "to": list(after.ip_allow)}
    return changes


def _differing_limits(before: KeyRecord, after: KeyRecord) -> dict[str, object]:
    changes: dict[str, object] = {}
    if before.limits != after.limits:
        changes["limits"] = {"from": list(before.limits), "to": list(after.limits)}
    if before.limits_raised != after.limits_raised:
        changes["limits_raised"] = told_raise(after.limits_raised)
    if before.quota != after.quota:
        changes["quota"] = {"from": told_quota(before.quota), "to": told_quota(after.quota)}
    if before.quota_extra != after.quota_extra:
        changes["quota_extra"] = told_extra(after.quota_extra)
    return changes


def differing_attributes(before: KeyRecord | Team, after: KeyRecord | Team) -> dict[str, object]:
    """What changed in metadata and external id, for the audit log. Metadata stands in full in the state after."""
    changes: dict[str, object] = {}
    if before.metadata != after.metadata:
        names = before.metadata.keys() | after.metadata.keys()
        told = [name for name in names if before.metadata.get(name) != after.metadata.get(name)]
        changes["metadata"] = {"changed": sorted(told)}
    if before.external_id != after.external_id:
        changes["external_id"] = {"from": before.external_id, "to": after.external_id}
    return changes


def description_of(record: KeyRecord) -> dict[str, object]:
    """What a new key is, for the audit log."""
    return {
        "name": record.name,
        "type": record.key_type,
        "permissions": list(record.permissions),
        "expires_at": written(record.expires_at),
        "ip_allow": list(record.ip_allow),
        "owner": record.owner_id or TEAM_OWNER,
        AFTER: state_of_key(record),
    }


def written(moment: datetime | None) -> str | None:
    """Write *moment* for the audit log."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
